"""Metrics of one run, from its scores and the truth alone.

Inputs: scores and history of a run with their checksums, labels, and the division into training and
    validation rows.
Outputs: metrics.json and its checksum.
"""


rule evaluate:
    input:
        code=sources("spml.evaluate"),
        predictions=f"{RUN}/predictions.npz",
        history=f"{RUN}/history.jsonl",
        checksums=f"{RUN}/run.sha256",
        labels="results/labels/{dataset}.npz",
        observed=observed_labels,
    output:
        metrics=f"{RUN}/metrics.json",
        checksums=f"{RUN}/metrics.sha256",
    log:
        "<logs>/evaluate/{dataset}/{protocol}/{method}/seed{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("evaluate", 1000),
        runtime=time_limit("evaluate", 10),
        together=1,
    params:
        selection=selection_criterion,
    message:
        "Evaluate {wildcards.method} on {wildcards.dataset}, protocol {wildcards.protocol}, seed {wildcards.seed}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.evaluate \
            --predictions {input.predictions:q} \
            --history {input.history:q} \
            --checksums {input.checksums:q} \
            --labels {input.labels:q} \
            --observed {input.observed:q} \
            --selection {params.selection:q} \
            --output {output.metrics:q} \
            >{log:q} 2>&1
        """
