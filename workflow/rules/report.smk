"""One page with all selected exhibits and where they come from.

Inputs: the files of each exhibit, and the record and the benchmark of each run that they show.
Outputs: one self-contained HTML file.
"""


rule report:
    input:
        code=sources("spml.report"),
        template=multiext("workflow/report/", "index.html.j2", "style.css", "script.js"),
        exhibits=reported_exhibits,
        records=reported_files(f"{RUN}/run.json"),
        benchmarks=reported_files(
            "<benchmarks>/train/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
        ),
    output:
        page="results/report/index.html",
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
    message:
        "Write the report"
    shell:
        """
        PYTHONPATH=workflow python -m spml.report \
            --settings {params.settings:q} \
            --benchmarks {params.benchmarks:q} \
            --output {output.page:q} \
            >{log:q} 2>&1
        """
