"""Tables and figures, one rule each, named as its key in config/exhibits.yaml.

Inputs: what the runs that an exhibit shows have left, and nothing of runs that it does not show.
Outputs: a table as .csv, .md and .tex; a figure as .pdf and .png with its data as .csv; a caption.
"""


rule gr_main_table:
    input:
        code=sources("spml.exhibits.gr_main_table"),
        table="results/tables/gr/main_table.csv",
        labels=exhibit_labels("gr_main_table"),
        predictions=run_files("gr_main_table", "predictions.npz"),
        published=published_numbers("gr_main_table"),
    output:
        csv=report(
            "results/exhibits/gr/main_table.csv",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "main comparison", "form": "table"},
        ),
        md="results/exhibits/gr/main_table.md",
        tex="results/exhibits/gr/main_table.tex",
        caption="results/exhibits/gr/main_table.caption.txt",
    log:
        "<logs>/exhibits/gr_main_table.log",
    benchmark:
        "<benchmarks>/exhibits/gr_main_table.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        # The bootstrap takes hours on the four datasets of the paper together.
        runtime=300,
    params:
        settings=exhibit_settings("gr_main_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the main comparison"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_main_table \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule gr_class_counts:
    input:
        code=sources("spml.exhibits.gr_class_counts"),
        labels=exhibit_labels("gr_class_counts"),
        observed=exhibit_observations("gr_class_counts"),
    output:
        csv="results/exhibits/gr/class_counts.csv",
        pdf="results/exhibits/gr/class_counts.pdf",
        png=report(
            "results/exhibits/gr/class_counts.png",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "positives per class", "form": "figure"},
        ),
        caption="results/exhibits/gr/class_counts.caption.txt",
    log:
        "<logs>/exhibits/gr_class_counts.log",
    benchmark:
        "<benchmarks>/exhibits/gr_class_counts.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("gr_class_counts"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw observed and missing positives per class"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_class_counts \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule gr_separation:
    input:
        code=sources("spml.exhibits.gr_separation"),
        labels=exhibit_labels("gr_separation"),
        observed=exhibit_observations("gr_separation"),
        predictions=run_files("gr_separation", "predictions.npz"),
    output:
        csv="results/exhibits/gr/separation.csv",
        pdf="results/exhibits/gr/separation.pdf",
        png=report(
            "results/exhibits/gr/separation.png",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "predictions on unobserved entries", "form": "figure"},
        ),
        caption="results/exhibits/gr/separation.caption.txt",
    log:
        "<logs>/exhibits/gr_separation.log",
    benchmark:
        "<benchmarks>/exhibits/gr_separation.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("gr_separation"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the predictions on unobserved entries"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_separation \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule gr_false_negative_rate:
    input:
        code=sources("spml.exhibits.gr_false_negative_rate"),
        labels=exhibit_labels("gr_false_negative_rate"),
        observed=exhibit_observations("gr_false_negative_rate"),
        predictions=run_files("gr_false_negative_rate", "predictions.npz"),
    output:
        csv="results/exhibits/gr/false_negative_rate.csv",
        pdf="results/exhibits/gr/false_negative_rate.pdf",
        png=report(
            "results/exhibits/gr/false_negative_rate.png",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "share of false negatives", "form": "figure"},
        ),
        caption="results/exhibits/gr/false_negative_rate.caption.txt",
    log:
        "<logs>/exhibits/gr_false_negative_rate.log",
    benchmark:
        "<benchmarks>/exhibits/gr_false_negative_rate.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("gr_false_negative_rate"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the share of false negatives against the prediction"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_false_negative_rate \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule ll_memorisation_curve:
    input:
        code=sources("spml.exhibits.ll_memorisation_curve"),
        traces=run_files("ll_memorisation_curve", "trace.npz"),
    output:
        csv="results/exhibits/ll/memorisation_curve.csv",
        pdf="results/exhibits/ll/memorisation_curve.pdf",
        png=report(
            "results/exhibits/ll/memorisation_curve.png",
            caption="../report/exhibit.rst",
            category="Large Loss Matters",
            labels={"exhibit": "memorisation", "form": "figure"},
        ),
        caption="results/exhibits/ll/memorisation_curve.caption.txt",
    log:
        "<logs>/exhibits/ll_memorisation_curve.log",
    benchmark:
        "<benchmarks>/exhibits/ll_memorisation_curve.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("ll_memorisation_curve"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the memorisation of false negatives"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.ll_memorisation_curve \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule ll_partial_labels:
    input:
        code=sources("spml.exhibits.ll_partial_labels"),
        table="results/tables/ll/partial_labels.csv",
        published=published_numbers("ll_partial_labels"),
    output:
        csv=report(
            "results/exhibits/ll/partial_labels.csv",
            caption="../report/exhibit.rst",
            category="Large Loss Matters",
            labels={"exhibit": "artificial partial labels", "form": "table"},
        ),
        md="results/exhibits/ll/partial_labels.md",
        tex="results/exhibits/ll/partial_labels.tex",
        caption="results/exhibits/ll/partial_labels.caption.txt",
    log:
        "<logs>/exhibits/ll_partial_labels.log",
    benchmark:
        "<benchmarks>/exhibits/ll_partial_labels.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("ll_partial_labels"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of artificial partial labels"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.ll_partial_labels \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule ll_openimages:
    input:
        code=sources("spml.exhibits.ll_openimages"),
        table="results/tables/ll/openimages.csv",
        published=published_numbers("ll_openimages"),
    output:
        csv=report(
            "results/exhibits/ll/openimages.csv",
            caption="../report/exhibit.rst",
            category="Large Loss Matters",
            labels={"exhibit": "OpenImages by groups", "form": "table"},
        ),
        md="results/exhibits/ll/openimages.md",
        tex="results/exhibits/ll/openimages.tex",
        caption="results/exhibits/ll/openimages.caption.txt",
    log:
        "<logs>/exhibits/ll_openimages.log",
    benchmark:
        "<benchmarks>/exhibits/ll_openimages.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("ll_openimages"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of OpenImages by groups of classes"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.ll_openimages \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule extra_learning_curves:
    input:
        code=sources("spml.exhibits.extra_learning_curves"),
        histories=run_files("extra_learning_curves", "history.jsonl"),
    output:
        csv="results/exhibits/extra/learning_curves.csv",
        pdf="results/exhibits/extra/learning_curves.pdf",
        png=report(
            "results/exhibits/extra/learning_curves.png",
            caption="../report/exhibit.rst",
            category="Beyond the papers",
            labels={"exhibit": "learning curves", "form": "figure"},
        ),
        caption="results/exhibits/extra/learning_curves.caption.txt",
    log:
        "<logs>/exhibits/extra_learning_curves.log",
    benchmark:
        "<benchmarks>/exhibits/extra_learning_curves.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("extra_learning_curves"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the learning curves"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.extra_learning_curves \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule gr_loss_mapping:
    input:
        code=sources("spml.exhibits.gr_loss_mapping"),
        mapping="results/losses/mapping.csv",
    output:
        csv=report(
            "results/exhibits/gr/loss_mapping.csv",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "losses in the framework", "form": "table"},
        ),
        md="results/exhibits/gr/loss_mapping.md",
        tex="results/exhibits/gr/loss_mapping.tex",
        caption="results/exhibits/gr/loss_mapping.caption.txt",
    log:
        "<logs>/exhibits/gr_loss_mapping.log",
    benchmark:
        "<benchmarks>/exhibits/gr_loss_mapping.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("gr_loss_mapping"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of losses in the generalized loss"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_loss_mapping \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule gr_gradients:
    input:
        code=sources("spml.exhibits.gr_gradients"),
        gradients="results/losses/gradients.csv",
    output:
        csv="results/exhibits/gr/gradients.csv",
        pdf="results/exhibits/gr/gradients.pdf",
        png=report(
            "results/exhibits/gr/gradients.png",
            caption="../report/exhibit.rst",
            category="GR Loss",
            labels={"exhibit": "gradient analysis", "form": "figure"},
        ),
        caption="results/exhibits/gr/gradients.caption.txt",
    log:
        "<logs>/exhibits/gr_gradients.log",
    benchmark:
        "<benchmarks>/exhibits/gr_gradients.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("gr_gradients"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the gradients of the losses"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.gr_gradients \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


rule extra_validation_table:
    input:
        code=sources("spml.exhibits.extra_validation_table"),
        table="results/tables/extra/validation_table.csv",
    output:
        csv=report(
            "results/exhibits/extra/validation_table.csv",
            caption="../report/exhibit.rst",
            category="Beyond the papers",
            labels={"exhibit": "validation mAP", "form": "table"},
        ),
        md="results/exhibits/extra/validation_table.md",
        tex="results/exhibits/extra/validation_table.tex",
        caption="results/exhibits/extra/validation_table.caption.txt",
    log:
        "<logs>/exhibits/extra_validation_table.log",
    benchmark:
        "<benchmarks>/exhibits/extra_validation_table.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=exhibit_settings("extra_validation_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of validation mAP"
    shell:
        """
        PYTHONPATH=workflow python -m spml.exhibits.extra_validation_table \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """
