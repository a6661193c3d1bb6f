"""The pointing game: do class activation maps of one run peak within the objects of their class?

Inputs: selected weights of a run, packed images, and labels with boxes.
Outputs: pointing.json, hits and misses of each class on the test images.
"""


rule localise:
    input:
        code=sources("spml.localise"),
        weights=f"{RUN}/weights.pt",
        labels="results/labels/{dataset}.npz",
        # Stands for the images, which lie beside it or in the dataset's tree.
        manifest="data/packed/{dataset}/manifest.json",
        # Of a run whose backbone was not trained.
        backbone=frozen_backbone,
    output:
        pointing=f"{RUN}/pointing.json",
    log:
        "<logs>/localise/{dataset}/{protocol}/{method}/seed{seed}.log",
    benchmark:
        "<benchmarks>/localise/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
    wildcard_constraints:
        method=one_of(trained_methods()),
    conda:
        network_environment()
    threads: network_threads
    resources:
        gpu=gpus(),
        mem_mb=memory("localise", 6000),
        runtime=time_limit("localise", 120),
    params:
        settings=localise_settings,
        backbone=optional_flag("--backbone", "backbone"),
        machine=machine_settings,
    message:
        "Localise with {wildcards.method} on {wildcards.dataset}, protocol {wildcards.protocol}, seed {wildcards.seed}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.localise \
            --settings {params.settings:q} \
            --weights {input.weights:q} \
            {params.backbone} \
            --labels {input.labels:q} \
            --images {input.manifest:q} \
            --machine {params.machine:q} \
            --output {output.pointing:q} \
            >{log:q} 2>&1
        """
