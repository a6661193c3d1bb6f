"""What the losses are, without data or training.

Inputs: the sources of all losses.
Outputs: how each reads in the generalized loss of GR, the gradient at an unobserved entry of those
that are compared and of each method with a page in the report, and a checksum of each.
"""


rule describe_losses:
    input:
        code=all_loss_sources(),
    output:
        mapping="results/losses/mapping.csv",
        gradients="results/losses/gradients.csv",
        method_gradients="results/losses/method_gradients.csv",
        checksums=[
            "results/losses/mapping.sha256",
            "results/losses/gradients.sha256",
            "results/losses/method_gradients.sha256",
        ],
    log:
        "<logs>/describe_losses.log",
    benchmark:
        "<benchmarks>/describe_losses.jsonl"
    conda:
        network_environment()
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=as_json(stage_settings.describe_settings(config)),
        directory=subpath(output.mapping, parent=True),
    message:
        "Describe the losses"
    shell:
        """
        PYTHONPATH=workflow python -m spml.describe \
            --settings {params.settings:q} \
            --output-directory {params.directory:q} \
            >{log:q} 2>&1
        """
