"""The metrics of all runs of one exhibit, in one tidy table.

Inputs: metrics.json of each run, and labels, which name the classes.
Outputs: one table, a row a run and metric, and its checksum.
"""


rule collect:
    input:
        code=sources("spml.collect"),
        labels=collected_labels,
        metrics=collected_metrics,
    output:
        table="results/tables/{paper}/{name}.csv",
        checksums="results/tables/{paper}/{name}.sha256",
    log:
        "<logs>/collect/{paper}/{name}.log",
    benchmark:
        "<benchmarks>/collect/{paper}/{name}.jsonl"
    wildcard_constraints:
        paper="gr|ll|extra",
        name="[a-z][a-z0-9_]*",
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=collected_settings,
    message:
        "Collect the metrics of {wildcards.paper}_{wildcards.name}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.collect \
            --settings {params.settings:q} \
            --output {output.table:q} \
            >{log:q} 2>&1
        """
