"""Datasets that come as features, not as pictures.

Inputs: one file of features and labels, wherever the user has it.
Outputs: its labels, and one feature vector an image of both splits, as other datasets have them.
"""


rule import_features:
    input:
        code=sources("spml.import_features"),
        file=given_features,
    output:
        labels=LABELS,
        train=FEATURES.replace("{split}", "train"),
        train_checksums=FEATURES.replace("{split}.npy", "train.sha256"),
        test=FEATURES.replace("{split}", "test"),
        test_checksums=FEATURES.replace("{split}.npy", "test.sha256"),
    log:
        "<logs>/import_features/{dataset}.log",
    benchmark:
        "<benchmarks>/import_features/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(feature_datasets()),
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("import_features", 4000),
        runtime=time_limit("import_features", 30),
    params:
        scale=features_scale,
    message:
        "Take over features and labels of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.import_features \
            --file {input.file:q} \
            --scale {params.scale} \
            --labels {output.labels:q} \
            --train {output.train:q} \
            --test {output.test:q} \
            >{log:q} 2>&1
        """
