"""Tables and figures, one rule each, named as its key in config/exhibits.yaml.

Inputs: what the runs that an exhibit shows have left, and nothing of runs that it does not show.
Outputs: a table as .csv, .md and .tex; a figure as .pdf and .png with its data as .csv; beside
either a caption and checksums.
All rules run the command of their exhibit as the first one does.
"""


rule gr_class_counts:
    input:
        code=sources("spml.exhibits.gr_class_counts"),
        labels=exhibit_labels("gr_class_counts"),
        observed=exhibit_observations("gr_class_counts"),
    output:
        **figure_files("gr_class_counts"),
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
        module="spml.exhibits.gr_class_counts",
        settings=exhibit_settings("gr_class_counts"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw observed and missing positives per class"
    shell:
        """
        PYTHONPATH=workflow python -m {params.module} \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """


use rule gr_class_counts as gr_main_table with:
    input:
        code=sources("spml.exhibits.gr_main_table"),
        table=with_checksums("results/tables/gr/main_table.csv"),
        comparisons=comparisons("gr_main_table"),
        labels=exhibit_labels("gr_main_table"),
        published=published_numbers("gr_main_table"),
    output:
        **table_files("gr_main_table"),
    log:
        "<logs>/exhibits/gr_main_table.log",
    benchmark:
        "<benchmarks>/exhibits/gr_main_table.jsonl"
    params:
        module="spml.exhibits.gr_main_table",
        settings=exhibit_settings("gr_main_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the main comparison"


use rule gr_class_counts as gr_dataset_statistics with:
    input:
        code=sources("spml.exhibits.gr_dataset_statistics"),
        labels=exhibit_labels("gr_dataset_statistics"),
        observed=exhibit_observations("gr_dataset_statistics"),
        published=published_numbers("gr_dataset_statistics"),
    output:
        **table_files("gr_dataset_statistics"),
    log:
        "<logs>/exhibits/gr_dataset_statistics.log",
    benchmark:
        "<benchmarks>/exhibits/gr_dataset_statistics.jsonl"
    params:
        module="spml.exhibits.gr_dataset_statistics",
        settings=exhibit_settings("gr_dataset_statistics"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the datasets' statistics"


use rule gr_class_counts as gr_ablation with:
    input:
        code=sources("spml.exhibits.gr_ablation"),
        table=with_checksums("results/tables/gr/ablation.csv"),
        records=run_files("gr_ablation", "run.json"),
    output:
        **table_files("gr_ablation"),
    log:
        "<logs>/exhibits/gr_ablation.log",
    benchmark:
        "<benchmarks>/exhibits/gr_ablation.jsonl"
    params:
        module="spml.exhibits.gr_ablation",
        settings=exhibit_settings("gr_ablation"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the ablation"


use rule gr_class_counts as gr_hyperparameters with:
    input:
        code=sources("spml.exhibits.gr_hyperparameters"),
        losses=exhibit_losses("gr_hyperparameters"),
        records=run_files("gr_hyperparameters", "run.json"),
    output:
        **table_files("gr_hyperparameters"),
    log:
        "<logs>/exhibits/gr_hyperparameters.log",
    benchmark:
        "<benchmarks>/exhibits/gr_hyperparameters.jsonl"
    params:
        module="spml.exhibits.gr_hyperparameters",
        settings=exhibit_settings("gr_hyperparameters"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of hyperparameters"


use rule gr_class_counts as gr_separation_table with:
    input:
        code=sources("spml.exhibits.gr_separation_table"),
        labels=exhibit_labels("gr_separation_table"),
        observed=exhibit_observations("gr_separation_table"),
        predictions=run_files("gr_separation_table", "predictions.npz"),
    output:
        **table_files("gr_separation_table"),
    log:
        "<logs>/exhibits/gr_separation_table.log",
    benchmark:
        "<benchmarks>/exhibits/gr_separation_table.jsonl"
    params:
        module="spml.exhibits.gr_separation_table",
        settings=exhibit_settings("gr_separation_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the separation of unobserved entries"


use rule gr_class_counts as gr_hyperparameter_curves with:
    input:
        code=sources("spml.exhibits.gr_hyperparameter_curves"),
        table=with_checksums("results/tables/gr/hyperparameter_curves.csv"),
        records=run_files("gr_hyperparameter_curves", "run.json"),
    output:
        **figure_files("gr_hyperparameter_curves"),
    log:
        "<logs>/exhibits/gr_hyperparameter_curves.log",
    benchmark:
        "<benchmarks>/exhibits/gr_hyperparameter_curves.jsonl"
    params:
        module="spml.exhibits.gr_hyperparameter_curves",
        settings=exhibit_settings("gr_hyperparameter_curves"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw test mAP against hyperparameters"


use rule gr_class_counts as gr_separation with:
    input:
        code=sources("spml.exhibits.gr_separation"),
        labels=exhibit_labels("gr_separation"),
        observed=exhibit_observations("gr_separation"),
        predictions=run_files("gr_separation", "predictions.npz"),
    output:
        **figure_files("gr_separation"),
    log:
        "<logs>/exhibits/gr_separation.log",
    benchmark:
        "<benchmarks>/exhibits/gr_separation.jsonl"
    params:
        module="spml.exhibits.gr_separation",
        settings=exhibit_settings("gr_separation"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the predictions on unobserved entries"


use rule gr_class_counts as gr_false_negative_rate with:
    input:
        code=sources("spml.exhibits.gr_false_negative_rate"),
        labels=exhibit_labels("gr_false_negative_rate"),
        observed=exhibit_observations("gr_false_negative_rate"),
        predictions=run_files("gr_false_negative_rate", "predictions.npz"),
    output:
        **figure_files("gr_false_negative_rate"),
    log:
        "<logs>/exhibits/gr_false_negative_rate.log",
    benchmark:
        "<benchmarks>/exhibits/gr_false_negative_rate.jsonl"
    params:
        module="spml.exhibits.gr_false_negative_rate",
        settings=exhibit_settings("gr_false_negative_rate"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the share of false negatives against the prediction"


use rule gr_class_counts as ll_memorisation_curve with:
    input:
        code=sources("spml.exhibits.ll_memorisation_curve"),
        traces=run_files("ll_memorisation_curve", "trace.npz"),
        published=published_numbers("ll_memorisation_curve"),
    output:
        **figure_files("ll_memorisation_curve"),
    log:
        "<logs>/exhibits/ll_memorisation_curve.log",
    benchmark:
        "<benchmarks>/exhibits/ll_memorisation_curve.jsonl"
    params:
        module="spml.exhibits.ll_memorisation_curve",
        settings=exhibit_settings("ll_memorisation_curve"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the memorisation of false negatives"


use rule gr_class_counts as ll_memorisation_table with:
    input:
        code=sources("spml.exhibits.ll_memorisation_table"),
        labels=exhibit_labels("ll_memorisation_table"),
        observed=exhibit_observations("ll_memorisation_table"),
        entries=run_files("ll_memorisation_table", "entries.npy"),
        published=published_numbers("ll_memorisation_table"),
    output:
        **table_files("ll_memorisation_table"),
    log:
        "<logs>/exhibits/ll_memorisation_table.log",
    benchmark:
        "<benchmarks>/exhibits/ll_memorisation_table.jsonl"
    params:
        module="spml.exhibits.ll_memorisation_table",
        settings=exhibit_settings("ll_memorisation_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of when labels cost most"


use rule gr_class_counts as ll_corrections with:
    input:
        code=sources("spml.exhibits.ll_corrections"),
        labels=exhibit_labels("ll_corrections"),
        observed=exhibit_observations("ll_corrections"),
        histories=run_files("ll_corrections", "history.jsonl"),
        records=run_files("ll_corrections", "run.json"),
    output:
        **figure_files("ll_corrections"),
    log:
        "<logs>/exhibits/ll_corrections.log",
    benchmark:
        "<benchmarks>/exhibits/ll_corrections.jsonl"
    params:
        module="spml.exhibits.ll_corrections",
        settings=exhibit_settings("ll_corrections"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the precision of rejected and corrected labels"


use rule gr_class_counts as ll_delta_rel with:
    input:
        code=sources("spml.exhibits.ll_delta_rel"),
        table=with_checksums("results/tables/ll/delta_rel.csv"),
        records=run_files("ll_delta_rel", "run.json"),
    output:
        **figure_files("ll_delta_rel"),
    log:
        "<logs>/exhibits/ll_delta_rel.log",
    benchmark:
        "<benchmarks>/exhibits/ll_delta_rel.jsonl"
    params:
        module="spml.exhibits.ll_delta_rel",
        settings=exhibit_settings("ll_delta_rel"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw mAP against delta_rel"


use rule gr_class_counts as ll_labelling_efficiency with:
    input:
        code=sources("spml.exhibits.ll_labelling_efficiency"),
        observed=exhibit_observations("ll_labelling_efficiency"),
        table=with_checksums("results/tables/ll/labelling_efficiency.csv"),
        published=published_numbers("ll_labelling_efficiency"),
    output:
        **figure_files("ll_labelling_efficiency"),
    log:
        "<logs>/exhibits/ll_labelling_efficiency.log",
    benchmark:
        "<benchmarks>/exhibits/ll_labelling_efficiency.jsonl"
    params:
        module="spml.exhibits.ll_labelling_efficiency",
        settings=exhibit_settings("ll_labelling_efficiency"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw mAP against the number of observed labels"


use rule gr_class_counts as ll_pointing_game with:
    input:
        code=sources("spml.exhibits.ll_pointing_game"),
        pointing=run_files("ll_pointing_game", "pointing.json"),
        published=published_numbers("ll_pointing_game"),
    output:
        **table_files("ll_pointing_game"),
    log:
        "<logs>/exhibits/ll_pointing_game.log",
    benchmark:
        "<benchmarks>/exhibits/ll_pointing_game.jsonl"
    params:
        module="spml.exhibits.ll_pointing_game",
        settings=exhibit_settings("ll_pointing_game"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of the pointing game"


use rule gr_class_counts as ll_examples with:
    input:
        code=sources("spml.exhibits.ll_examples"),
        labels=exhibit_labels("ll_examples"),
        observed=exhibit_observations("ll_examples"),
        manifests=exhibit_images("ll_examples"),
        modified=run_files("ll_examples", "modified.npy"),
    output:
        **figure_files("ll_examples"),
    log:
        "<logs>/exhibits/ll_examples.log",
    benchmark:
        "<benchmarks>/exhibits/ll_examples.jsonl"
    params:
        module="spml.exhibits.ll_examples",
        settings=exhibit_settings("ll_examples"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw pictures whose labels were corrected"


use rule gr_class_counts as ll_partial_labels with:
    input:
        code=sources("spml.exhibits.ll_partial_labels"),
        table=with_checksums("results/tables/ll/partial_labels.csv"),
        published=published_numbers("ll_partial_labels"),
    output:
        **table_files("ll_partial_labels"),
    log:
        "<logs>/exhibits/ll_partial_labels.log",
    benchmark:
        "<benchmarks>/exhibits/ll_partial_labels.jsonl"
    params:
        module="spml.exhibits.ll_partial_labels",
        settings=exhibit_settings("ll_partial_labels"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of artificial partial labels"


use rule gr_class_counts as ll_openimages with:
    input:
        code=sources("spml.exhibits.ll_openimages"),
        table=with_checksums("results/tables/ll/openimages.csv"),
        published=published_numbers("ll_openimages"),
    output:
        **table_files("ll_openimages"),
    log:
        "<logs>/exhibits/ll_openimages.log",
    benchmark:
        "<benchmarks>/exhibits/ll_openimages.jsonl"
    params:
        module="spml.exhibits.ll_openimages",
        settings=exhibit_settings("ll_openimages"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of OpenImages by groups of classes"


use rule gr_class_counts as extra_learning_curves with:
    input:
        code=sources("spml.exhibits.extra_learning_curves"),
        histories=run_files("extra_learning_curves", "history.jsonl"),
    output:
        **figure_files("extra_learning_curves"),
    log:
        "<logs>/exhibits/extra_learning_curves.log",
    benchmark:
        "<benchmarks>/exhibits/extra_learning_curves.jsonl"
    params:
        module="spml.exhibits.extra_learning_curves",
        settings=exhibit_settings("extra_learning_curves"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the learning curves"


use rule gr_class_counts as gr_loss_mapping with:
    input:
        code=sources("spml.exhibits.gr_loss_mapping"),
        mapping=with_checksums("results/losses/mapping.csv"),
    output:
        **table_files("gr_loss_mapping"),
    log:
        "<logs>/exhibits/gr_loss_mapping.log",
    benchmark:
        "<benchmarks>/exhibits/gr_loss_mapping.jsonl"
    params:
        module="spml.exhibits.gr_loss_mapping",
        settings=exhibit_settings("gr_loss_mapping"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of losses in the generalized loss"


use rule gr_class_counts as gr_gradients with:
    input:
        code=sources("spml.exhibits.gr_gradients"),
        gradients=with_checksums("results/losses/gradients.csv"),
    output:
        **figure_files("gr_gradients"),
    log:
        "<logs>/exhibits/gr_gradients.log",
    benchmark:
        "<benchmarks>/exhibits/gr_gradients.jsonl"
    params:
        module="spml.exhibits.gr_gradients",
        settings=exhibit_settings("gr_gradients"),
        directory=subpath(output.caption, parent=True),
    message:
        "Draw the gradients of the losses"


use rule gr_class_counts as extra_validation_table with:
    input:
        code=sources("spml.exhibits.extra_validation_table"),
        table=with_checksums("results/tables/extra/validation_table.csv"),
    output:
        **table_files("extra_validation_table"),
    log:
        "<logs>/exhibits/extra_validation_table.log",
    benchmark:
        "<benchmarks>/exhibits/extra_validation_table.jsonl"
    params:
        module="spml.exhibits.extra_validation_table",
        settings=exhibit_settings("extra_validation_table"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of validation mAP"


use rule gr_class_counts as extra_significance with:
    input:
        code=sources("spml.exhibits.extra_significance"),
        comparisons=comparisons(*drawn_on("extra_significance")),
    output:
        **table_files("extra_significance"),
    log:
        "<logs>/exhibits/extra_significance.log",
    benchmark:
        "<benchmarks>/exhibits/extra_significance.jsonl"
    params:
        module="spml.exhibits.extra_significance",
        settings=exhibit_settings("extra_significance"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of differences that are more than chance"


use rule gr_class_counts as extra_cost with:
    input:
        code=sources("spml.exhibits.extra_cost"),
        records=run_files("extra_cost", "run.json"),
    output:
        **table_files("extra_cost"),
    log:
        "<logs>/exhibits/extra_cost.log",
    benchmark:
        "<benchmarks>/exhibits/extra_cost.jsonl"
    params:
        module="spml.exhibits.extra_cost",
        settings=exhibit_settings("extra_cost"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of time, memory and energy"


use rule gr_class_counts as extra_reproduction_summary with:
    input:
        code=sources("spml.exhibits.extra_reproduction_summary"),
        published=[published_numbers(name) for name in drawn_on("extra_reproduction_summary")],
        data=data_of(*drawn_on("extra_reproduction_summary")),
    output:
        **table_files("extra_reproduction_summary"),
    log:
        "<logs>/exhibits/extra_reproduction_summary.log",
    benchmark:
        "<benchmarks>/exhibits/extra_reproduction_summary.jsonl"
    params:
        module="spml.exhibits.extra_reproduction_summary",
        settings=exhibit_settings("extra_reproduction_summary"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the summary of what was reproduced"


use rule gr_class_counts as extra_claims with:
    input:
        code=sources("spml.exhibits.extra_claims"),
        resamples=comparisons(*drawn_on("extra_claims"), suffix=".npz"),
        data=data_of(*drawn_on("extra_claims")),
    output:
        **table_files("extra_claims"),
    log:
        "<logs>/exhibits/extra_claims.log",
    benchmark:
        "<benchmarks>/exhibits/extra_claims.jsonl"
    params:
        module="spml.exhibits.extra_claims",
        settings=exhibit_settings("extra_claims"),
        directory=subpath(output.caption, parent=True),
    message:
        "Write the table of claims"
