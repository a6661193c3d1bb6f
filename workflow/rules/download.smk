"""The files of the registry, each verified before it gets its name.

Inputs: nothing but a row of the registry.
Outputs: a receipt of each archive, which lies beside it, and the weights of backbones. The archive
    itself is no output: Snakemake would delete it before a second look at it.
"""


rule download:
    input:
        code=sources("spml.download"),
    output:
        receipt="data/raw/{dataset}/{file}.receipt.json",
    log:
        "<logs>/download/{dataset}/{file}.log",
    benchmark:
        "<benchmarks>/download/{dataset}/{file}.jsonl"
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        downloads=1,
        mem_mb=500,
        runtime=1440,
    params:
        source=download_source,
        addresses=download_addresses,
        file=subpath(output.receipt, strip_suffix=".receipt.json"),
    message:
        "Download {wildcards.file} of {wildcards.dataset}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.download \
            --source {params.source:q} \
            --addresses {params.addresses:q} \
            --output {params.file:q} \
            --receipt {output.receipt:q} \
            >{log:q} 2>&1
        """


rule download_weights:
    input:
        # Weights are not had again because the code that had them has changed.
        code=ancient(sources("spml.download")),
    output:
        weights="data/weights/{file}",
    log:
        "<logs>/download/weights/{file}.log",
    benchmark:
        "<benchmarks>/download/weights/{file}.jsonl"
    localrule: True
    conda:
        "../../envs/download.yaml"
    threads: 1
    resources:
        downloads=1,
        mem_mb=500,
        runtime=60,
    params:
        source=download_source,
        addresses=download_addresses,
    message:
        "Download the backbone weights {wildcards.file}"
    shell:
        """
        PYTHONPATH=workflow python -m spml.download \
            --source {params.source:q} \
            --addresses {params.addresses:q} \
            --output {output.weights:q} \
            >{log:q} 2>&1
        """
