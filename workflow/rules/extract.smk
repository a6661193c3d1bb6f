"""The official tree of a dataset, from its archives.

Inputs: the receipt of a download.
Outputs: a manifest of what was extracted below data/tree/<dataset>, written last.
"""


rule extract:
    input:
        code=sources("spml.extract"),
        receipt="data/raw/{dataset}/{file}.receipt.json",
    output:
        manifest="data/raw/{dataset}/{file}.manifest.json",
    log:
        "<logs>/extract/{dataset}/{file}.log",
    benchmark:
        "<benchmarks>/extract/{dataset}/{file}.jsonl"
    conda:
        "../../envs/prepare.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        archive=subpath(input.receipt, strip_suffix=".receipt.json"),
        tree=dataset_tree,
    message:
        "Extract {wildcards.file} of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.extract \
            --archive {params.archive:q} \
            --receipt {input.receipt:q} \
            --tree {params.tree:q} \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1
        """
