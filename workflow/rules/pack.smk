"""Images of a downloaded dataset at training resolution.

Inputs: its labels, which list the images, and manifests of its tree.
Outputs: a manifest of images that are fetched one by one, where they are; a manifest of the packed
    images; the pixels lie beside it, or nowhere where they are decoded on the fly. The
    pixels are no output: Snakemake would delete those of an interrupted run, which goes on instead.
"""


rule fetch_images:
    input:
        code=dataset_sources("spml.fetch_images"),
        labels="results/labels/{dataset}.npz",
    output:
        manifest="data/raw/{dataset}/images.json",
    log:
        "<logs>/fetch_images/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_images/{dataset}.jsonl"
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        downloads=1,
        mem_mb=3000,
        runtime=10080,
    params:
        address=image_address,
        module=source_setting("module"),
        tree=dataset_tree,
    message:
        "Fetch the images of {wildcards.dataset} one by one"
    shell:
        """
        PYTHONPATH=workflow python -m spml.fetch_images \
            --dataset {params.module:q} \
            --raw {params.tree:q} \
            --labels {input.labels:q} \
            --address {params.address:q} \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1
        """


rule pack:
    input:
        code=dataset_sources("spml.pack"),
        labels="results/labels/{dataset}.npz",
        tree=tree_manifests("images"),
    output:
        manifest="data/packed/{dataset}/manifest.json",
    log:
        "<logs>/pack/{dataset}.log",
    benchmark:
        "<benchmarks>/pack/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(registry.real_datasets(config)),
    conda:
        "../../envs/prepare.yaml"
    threads: 8
    resources:
        mem_mb=memory("pack", 4000),
        runtime=time_limit("pack", 240, goes_on=True),
    params:
        module=source_setting("module"),
        size=source_setting("size"),
        how=source_setting("pack"),
        tree=dataset_tree,
    message:
        "Pack the images of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.pack \
            --dataset {params.module:q} \
            --raw {params.tree:q} \
            --labels {input.labels:q} \
            --origin {input.tree:q} \
            --size {params.size} \
            --pack {params.how:q} \
            --processes {threads} \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1
        """
