"""Differences of the methods of one exhibit to its reference, on one dataset and protocol.

Inputs: scores and metrics of the exhibit's runs there with their checksums, and labels.
Outputs: one table, a row a method, the resamples that it is computed from, and checksums of both.
"""


rule compare:
    input:
        code=sources("spml.compare"),
        labels="results/labels/{dataset}.npz",
        predictions=compared_files("predictions.npz"),
        metrics=compared_files("metrics.json"),
        run_checksums=compared_files("run.sha256"),
        metrics_checksums=compared_files("metrics.sha256"),
    output:
        table="results/comparisons/{paper}/{name}/{dataset}/{protocol}.csv",
        resamples="results/comparisons/{paper}/{name}/{dataset}/{protocol}.npz",
        checksums="results/comparisons/{paper}/{name}/{dataset}/{protocol}.sha256",
    log:
        "<logs>/compare/{paper}/{name}/{dataset}/{protocol}.log",
    benchmark:
        "<benchmarks>/compare/{paper}/{name}/{dataset}/{protocol}.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory("compare", 1500),
        # On COCO 23 methods, 3 seeds and 1,000 resamples are 220 billion weighted entries.
        runtime=time_limit("compare", 300),
    params:
        settings=comparison_settings,
    message:
        "Compare the methods of {wildcards.paper}_{wildcards.name} on {wildcards.dataset}, protocol {wildcards.protocol}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.compare \
            --settings {params.settings:q} \
            --output {output.table:q} \
            --resamples {output.resamples:q} \
            >{log:q} 2>&1
        """
