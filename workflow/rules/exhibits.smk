"""Tables and figures, one rule each, named as its key in config/exhibits.yaml.

Inputs: what the runs that an exhibit shows have left, and nothing of runs that it does not show.
Outputs: a table as .csv, .md and .tex; a figure as .pdf, .png and .svg with its data as .csv; beside
either a page (.html) for Snakemake's report, a caption and checksums.
"""

# Of each exhibit, its form and what it reads, in words that exhibit_inputs in common.smk knows.
EXHIBITS = {
    "gr_main_table": ("table", "metrics", "comparisons", "labels", "published"),
    "gr_dataset_statistics": ("table", "labels", "observed", "published"),
    "gr_ablation": ("table", "labels", "metrics", "predictions", "records"),
    "gr_hyperparameters": ("table", "losses", "records"),
    "gr_separation_table": ("table", "labels", "observed", "predictions"),
    "gr_loss_mapping": ("table", "mapping"),
    "gr_gradients": ("figure", "gradients"),
    "gr_hyperparameter_curves": ("figure", "labels", "metrics", "predictions", "records"),
    "gr_class_counts": ("figure", "labels", "observed"),
    "gr_separation": ("figure", "labels", "observed", "predictions"),
    "gr_false_negative_rate": (
        "figure",
        "labels",
        "observed",
        "predictions",
        "histories",
        "records",
    ),
    "ll_partial_labels": ("table", "metrics", "published"),
    "ll_openimages": ("table", "metrics", "published"),
    "ll_memorisation_table": ("table", "labels", "observed", "entries", "published"),
    "ll_memorisation_curve": ("figure", "traces", "published"),
    "ll_corrections": ("figure", "labels", "observed", "histories", "records"),
    "ll_delta_rel": ("figure", "labels", "metrics", "predictions", "records"),
    "ll_labelling_efficiency": (
        "figure",
        "labels",
        "metrics",
        "observed",
        "predictions",
        "published",
    ),
    "ll_pointing_game": ("table", "pointing", "published"),
    "ll_examples": ("figure", "labels", "observed", "images", "modified"),
    "extra_learning_curves": ("figure", "histories"),
    "extra_search": ("table", "search"),
    "extra_search_curves": ("figure", "search"),
    "extra_selection": ("table", "search", "metrics"),
    "extra_cost": ("table", "records"),
    "extra_draws": ("table", "labels", "metrics", "predictions"),
    "extra_bias": ("table", "labels", "metrics", "predictions"),
    "extra_known_proportions": ("table", "labels", "metrics", "predictions", "published"),
    "extra_single_positive_leaderboard": (
        "table",
        "resamples of others",
        "published",
        "published elsewhere",
    ),
    "extra_protocols": ("table", "resamples of others"),
    "extra_significance": ("table", "resamples of others"),
    "extra_gap_closed": ("figure", "data of others", "resamples of others"),
    "extra_class_ap": ("table", "labels", "observed", "class precisions"),
    "extra_class_gain": ("figure", "labels", "observed", "class precisions", "predictions"),
    "extra_separation": ("figure", "labels", "observed", "predictions", "metrics"),
    "extra_reproduction_summary": ("table", "data of others", "published of others"),
    "extra_claims": ("table", "data of others", "resamples of others"),
}

for exhibit, (form, *reads) in EXHIBITS.items():

    rule:
        name:
            exhibit
        input:
            **exhibit_inputs(exhibit, reads),
            code=sources(f"spml.exhibits.{exhibit}"),
        output:
            **exhibit_outputs(exhibit, form),
        log:
            f"<logs>/exhibits/{exhibit}.log",
        benchmark:
            f"<benchmarks>/exhibits/{exhibit}.jsonl"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1500,
            runtime=10,
        params:
            module=f"spml.exhibits.{exhibit}",
            settings=exhibit_settings(exhibit, reads),
            directory=subpath(output.caption, parent=True),
        message:
            f"Make the {form} {exhibit}"
        shell:
            """
            PYTHONPATH=workflow python -m {params.module} \
                --settings {params.settings:q} \
                --output-directory {params.directory:q} \
                >{log:q} 2>&1
            """
