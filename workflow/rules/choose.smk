"""The best variant of each method in a search, by validation mAP alone.

Inputs: histories of the runs of all variants, and their checksums. Nothing that holds a test score.
Outputs: a table of scores with its checksum, and the chosen values as configuration.
"""


rule choose:
    input:
        code=sources("spml.choose"),
        histories=searched_files("history.jsonl"),
        run_checksums=searched_files("run.sha256"),
    output:
        table=SEARCH_TABLE,
        checksums="results/search/validation.sha256",
        chosen=CHOSEN,
    log:
        "<logs>/choose.log",
    benchmark:
        "<benchmarks>/choose.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=as_json(search.search_settings(config)),
    message:
        "Choose hyperparameters by validation mAP"
    shell:
        """
        PYTHONPATH=workflow python -m spml.choose \
            --settings {params.settings:q} \
            --table {output.table:q} \
            --chosen {output.chosen:q} \
            >{log:q} 2>&1
        """
