"""Scores of one run that was made elsewhere, checked and put where a training leaves its own.

Inputs: the scores, labels, and the division into training and validation rows.
Outputs: what evaluation reads of a run, and where the scores come from.
"""


rule take_scores:
    input:
        code=sources("spml.take_scores"),
        scores=given_scores,
        labels="results/labels/{dataset}.npz",
        observed=observed_labels,
    output:
        history=f"{RUN}/history.jsonl",
        predictions=f"{RUN}/predictions.npz",
        record=f"{RUN}/run.json",
        checksums=f"{RUN}/run.sha256",
    log:
        "<logs>/train/{dataset}/{protocol}/{method}/seed{seed}.log",
    benchmark:
        # Where the report looks for what a run has cost.
        "<benchmarks>/train/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
    wildcard_constraints:
        method=one_of(given_methods()),
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("evaluate", 1000),
        runtime=time_limit("evaluate", 10),
    params:
        settings=run_settings,
        directory=subpath(output.record, parent=True),
    message:
        "Take scores of {wildcards.method} on {wildcards.dataset}, protocol {wildcards.protocol}, seed {wildcards.seed}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.take_scores \
            --settings {params.settings:q} \
            --scores {input.scores:q} \
            --labels {input.labels:q} \
            --observed {input.observed:q} \
            --output {params.directory:q} \
            >{log:q} 2>&1
        """
