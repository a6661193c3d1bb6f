"""Labels of a downloaded dataset, and the arrays of the original code made of them.

Inputs: the dataset's annotation, as manifests of what was extracted; nothing where the user has it.
Outputs: labels of both official splits, compared with what is known of them.
"""


rule format:
    input:
        code=dataset_sources("spml.format"),
        tree=tree_manifests("labels"),
        class_counts=class_counts,
    output:
        labels="results/labels/{dataset}.npz",
    log:
        "<logs>/format/{dataset}.log",
    benchmark:
        "<benchmarks>/format/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(registry.real_datasets(config)),
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("format", 2000),
        runtime=time_limit("format", 30),
    params:
        settings=format_settings,
        module=source_setting("module"),
        size=source_setting("size"),
        tree=dataset_tree,
        class_counts=optional_flag("--class-counts", "class_counts"),
    message:
        "Format the labels of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.format \
            --dataset {params.module:q} \
            --name {wildcards.dataset:q} \
            --raw {params.tree:q} \
            --size {params.size} \
            --expected {params.settings:q} \
            {params.class_counts} \
            --output {output.labels:q} \
            >{log:q} 2>&1
        """


rule export_arrays:
    input:
        code=dataset_sources("spml.datasets.export"),
        tree=tree_manifests("labels"),
    output:
        multiext(
            "results/export/{dataset}/formatted_",
            train_images="train_images.npy",
            train_labels="train_labels.npy",
            train_labels_obs="train_labels_obs.npy",
            val_images="val_images.npy",
            val_labels="val_labels.npy",
            val_labels_obs="val_labels_obs.npy",
        ),
    log:
        "<logs>/export/{dataset}.log",
    benchmark:
        "<benchmarks>/export/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(reference_datasets()),
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        tree=dataset_tree,
        module=source_setting("module"),
        folder=subpath(output.train_images, parent=True),
    message:
        "Write the original code's arrays of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.datasets.export \
            --dataset {params.module:q} \
            --raw {params.tree:q} \
            --out {params.folder:q} \
            >{log:q} 2>&1
        """


rule export_reference_arrays:
    input:
        expand(
            "results/export/{dataset}/formatted_{split}_{kind}.npy",
            dataset=exported_datasets(),
            split=["train", "val"],
            kind=["images", "labels", "labels_obs"],
        ),
