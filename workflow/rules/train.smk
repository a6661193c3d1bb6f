"""One run: one dataset, protocol, method and seed.

A run with the same settings as another, under another name, is a copy of it.

Inputs: packed images, labels, observed labels, backbone weights, and the sources of the stage and
    of the run's own loss, so that changing one loss plans its runs and no others.
Outputs: selected weights, records of each epoch and step, scores, and where they come from; what
    became of each entry of the training labels, which has no epochs where it is not recorded.
"""


rule train:
    input:
        code=loss_sources,
        labels="results/labels/{dataset}.npz",
        observed=observed_labels,
        # Stands for the images, which lie beside it or in the dataset's tree.
        images=training_images,
        backbone=training_backbone,
        features=training_features,
        features_checksums=training_features_checksums,
        prior=prior_record,
        identical=identical_run,
    output:
        weights=f"{RUN}/weights.pt",
        history=f"{RUN}/history.jsonl",
        predictions=f"{RUN}/predictions.npz",
        trace=f"{RUN}/trace.npz",
        record=f"{RUN}/run.json",
        entries=f"{RUN}/entries.npy",
        modified=f"{RUN}/modified.npy",
        checksums=f"{RUN}/run.sha256",
    log:
        "<logs>/train/{dataset}/{protocol}/{method}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{dataset}/{protocol}/{method}/seed{seed}.jsonl"
    wildcard_constraints:
        method=one_of(trained_methods()),
    conda:
        network_environment()
    threads: training_threads
    resources:
        gpu=training_gpus,
        mem_mb=memory("train", 10000),
        runtime=time_limit("train", 720, goes_on=True),
        # SLURM tells it to stop three minutes before its limit, so that it can end a validation and
        # save; of itself SLURM does so only seconds before it kills.
        slurm_extra="--signal=TERM@180",
    params:
        settings=run_settings,
        machine=machine_settings,
        # No output, since Snakemake deletes those of a job that was killed.
        checkpoint=CHECKPOINT,
        images=optional_flag("--images", "images"),
        backbone=optional_flag("--backbone", "backbone"),
        features=optional_flag("--features", "features"),
        prior=optional_flag("--prior", "prior"),
        identical=optional_flag("--identical", "identical"),
        directory=subpath(output.record, parent=True),
    message:
        "Train {wildcards.method} on {wildcards.dataset}, protocol {wildcards.protocol}, seed {wildcards.seed}"
    # exec, because a shell would die of the SIGTERM that a cluster sends to all of a job's processes,
    # and the job end before training has saved its state.
    shell:
        """
        PYTHONPATH=workflow exec python -m spml.train \
            --settings {params.settings:q} \
            --labels {input.labels:q} \
            --observed {input.observed:q} \
            {params.images} \
            {params.backbone} \
            {params.features} {params.prior} \
            {params.identical} \
            --machine {params.machine:q} \
            --checkpoint {params.checkpoint:q} \
            --output {params.directory:q} \
            >{log:q} 2>&1
        """
