"""Features of the untrained backbone, shared by all runs that train a head on them.

Inputs: packed images and backbone weights of a dataset.
Outputs: one feature vector an image of an official split.
"""


rule extract_features:
    input:
        code=sources("spml.features"),
        # Stands for the images, which lie beside it or in the dataset's tree.
        manifest="data/packed/{dataset}/manifest.json",
        backbone=backbone_weights,
    output:
        features=FEATURES,
        checksums=str(Path(FEATURES).with_suffix(".sha256")),
    log:
        "<logs>/features/{dataset}/{split}.log",
    benchmark:
        "<benchmarks>/features/{dataset}/{split}.jsonl"
    wildcard_constraints:
        dataset=one_of(picture_datasets()),
        split=any_of(["train", "test"]),
    conda:
        network_environment()
    threads: 8
    resources:
        gpu=gpus(),
        mem_mb=memory("extract_features", 4000),
        runtime=time_limit("extract_features", 60),
    params:
        settings=feature_settings,
        machine=machine_settings,
    message:
        "Extract features of {wildcards.dataset}, {wildcards.split} images, with the untrained backbone"
    shell:
        """
        PYTHONPATH=workflow python -m spml.features \
            --settings {params.settings:q} \
            --images {input.manifest:q} \
            --split {wildcards.split} \
            --backbone {input.backbone:q} \
            --machine {params.machine:q} \
            --workers {threads} \
            --output {output.features:q} \
            >{log:q} 2>&1
        """
