"""The embedded dataset, which is composed, not downloaded.

Inputs: nothing but the configuration (the scans come with scikit-learn).
Outputs: its labels, its packed images, and the weights of its backbone.
"""


rule compose_digits:
    input:
        code=sources("spml.compose"),
    output:
        labels="results/labels/digits.npz",
        manifest="data/packed/digits/manifest.json",
        train="data/packed/digits/train.npy",
        test="data/packed/digits/test.npy",
    log:
        "<logs>/compose/digits.log",
    benchmark:
        "<benchmarks>/compose/digits.jsonl"
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=as_json(config["datasets"]["digits"]["compose"]),
    message:
        "Compose multi-label pictures from handwritten digits"
    shell:
        """
        PYTHONPATH=workflow python -m spml.compose \
            --settings {params.settings:q} \
            --labels {output.labels:q} \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1
        """


rule pretrain_digits:
    input:
        code=sources("spml.pretrain"),
    output:
        weights="results/backbones/digit_network.pt",
    log:
        "<logs>/pretrain/digits.log",
    benchmark:
        "<benchmarks>/pretrain/digits.jsonl"
    conda:
        network_environment()
    threads: config["threads"]
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=as_json(pretrain_settings("digits")),
    message:
        "Learn the backbone of the embedded dataset on single digits"
    shell:
        """
        PYTHONPATH=workflow python -m spml.pretrain \
            --settings {params.settings:q} \
            --output {output.weights:q} \
            >{log:q} 2>&1
        """
