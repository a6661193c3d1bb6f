"""A small site with all selected exhibits and where they come from.

Inputs: the files of each exhibit, the records and the benchmark of each run that they show, the
files of the losses and of the configuration that they quote, the losses' gradients, and some
pictures of the datasets.
Outputs: one page a paper, a dataset and a method, and what they share; nothing from elsewhere.
"""


rule report:
    input:
        code=sources("spml.report.__main__"),
        losses=reported_losses(),
        gradients=with_checksums(METHOD_GRADIENT_TABLE),
        templates=report_templates(),
        definitions=definition_files(),
        exhibits=reported_exhibits,
        pictures=reported_pictures(),
        records=reported_files(f"{RUN}/run.json"),
        metrics=reported_files(f"{RUN}/metrics.json"),
        checksums=reported_files(f"{RUN}/metrics.sha256"),
        histories=reported_files(f"{RUN}/history.jsonl"),
        benchmarks=reported_files(
            "<benchmarks>/train/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
        ),
    output:
        index=REPORT,
        others=other_pages(),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.jsonl"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=report_settings(),
        benchmarks=benchmark_folder,
        directory=subpath(output.index, parent=True),
    message:
        "Write the report"
    shell:
        """
        PYTHONPATH=workflow python -m spml.report \
            --settings {params.settings:q} \
            --benchmarks {params.benchmarks:q} \
            --definitions {input.definitions:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """
