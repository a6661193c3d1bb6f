"""Some pictures of a dataset for the report, with what training sees of them.

Inputs: labels, observed labels and images of a dataset.
Outputs: the pictures and the names of their labels, in one file.
"""


rule illustrate:
    input:
        code=sources("spml.illustrate"),
        labels="results/labels/{dataset}.npz",
        observed="results/observed/{dataset}/{protocol}/{observation}.npz",
        images="data/packed/{dataset}/manifest.json",
    output:
        pictures="results/pictures/{dataset}/{protocol}/{observation}.json",
    log:
        "<logs>/illustrate/{dataset}/{protocol}/{observation}.log",
    benchmark:
        "<benchmarks>/illustrate/{dataset}/{protocol}/{observation}.jsonl"
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=memory("observe", 2000),
        runtime=time_limit("observe", 10),
    message:
        "Show some pictures of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.illustrate \
            --labels {input.labels:q} \
            --observed {input.observed:q} \
            --images {input.images:q} \
            --output {output.pictures:q} \
            >{log:q} 2>&1
        """
