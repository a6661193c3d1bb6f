"""Features of the untrained backbone, shared by all runs that begin with their head alone.

Inputs: packed images and backbone weights of a dataset.
Outputs: one feature vector an image of the official training split.
"""


rule extract_features:
    input:
        code=sources("spml.features"),
        # Stands for the images, which lie beside it or in the dataset's tree.
        manifest="data/packed/{dataset}/manifest.json",
        backbone=backbone_weights,
    output:
        features="results/features/{dataset}.npy",
    log:
        "<logs>/features/{dataset}.log",
    benchmark:
        "<benchmarks>/features/{dataset}.jsonl"
    conda:
        network_environment()
    threads: network_threads
    resources:
        gpu=gpus(),
        mem_mb=memory("extract_features", 4000),
        runtime=time_limit("extract_features", 60),
    params:
        settings=feature_settings,
        machine=machine_settings,
    message:
        "Extract features of {wildcards.dataset} with the untrained backbone"
    shell:
        """
        PYTHONPATH=workflow python -m spml.features \
            --settings {params.settings:q} \
            --images {input.manifest:q} \
            --backbone {input.backbone:q} \
            --machine {params.machine:q} \
            --output {output.features:q} \
            >{log:q} 2>&1
        """
