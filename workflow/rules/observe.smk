"""Which rows train and validate, and which labels training may see.

Inputs: the labels of a dataset.
Outputs: row indices and observed labels, one file a protocol and observation.
"""


rule observe:
    input:
        code=sources("spml.observe"),
        labels="results/labels/{dataset}.npz",
    output:
        observed="results/observed/{dataset}/{protocol}/{observation}.npz",
    log:
        "<logs>/observe/{dataset}/{protocol}/{observation}.log",
    benchmark:
        "<benchmarks>/observe/{dataset}/{protocol}/{observation}.jsonl"
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("observe", 2000),
        runtime=time_limit("observe", 10),
        together=1,
    params:
        settings=observe_settings,
    message:
        "Draw the observed labels {wildcards.observation} of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.observe \
            --labels {input.labels:q} \
            --settings {params.settings:q} \
            --output {output.observed:q} \
            >{log:q} 2>&1
        """
