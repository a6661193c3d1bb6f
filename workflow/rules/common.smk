"""Helpers of all rules: what the configuration says, and the files that a job needs.

The configuration has been checked (preflight.smk). It is resolved in workflow/spml/planning, which
is tested alone: into runs, what exhibits show of them, and the settings of stages.
"""

import functools
import os
import re
import shlex
from pathlib import Path

from workflow.spml.exhibits.papers import PAPERS
from workflow.spml.planning import (
    checks,
    configuration,
    identical,
    registry,
    search,
    shown,
    stage_settings,
)
from workflow.spml.plumbing.addresses import (
    CHECKPOINT,
    CHOSEN,
    FEATURES,
    GRADIENT_TABLE,
    LABELS,
    MAPPING_TABLE,
    METHOD_GRADIENT_TABLE,
    OBSERVED,
    PACKED,
    PICTURES,
    PUBLISHED,
    REPORT,
    RUN,
    SEARCH_TABLE,
    TABLE,
    comparison_path,
    exhibit_path,
    split_key,
)
from workflow.spml.plumbing.sources import PLUMBING, charged_files
from workflow.spml.report.pages import page_paths

# What Snakemake has read, with numbers such as 1e-5 in place of the text that it takes them for, and
# of a module with a config: of its own what that does not say; and each grid's variants in place of it.
config = checked


def configuration_files():
    """The configuration files in the order in which Snakemake merges them."""
    given = list(workflow.overwrite_configfiles)
    return [path for path in workflow.configfiles if path not in given] + given


def any_of(names):
    """A wildcard that is one of these names and nothing else."""
    return "|".join(sorted(names))


def sources(*modules):
    """The files of the package that these modules charge for, as plain relative paths.

    Of plumbing the folder alone, and as ancient: neither an edit there nor a new file plans a job.
    """
    return [*charged_files("workflow", *modules), ancient(f"workflow/{PLUMBING}")]


def loss_sources(wildcards):
    """The files that training a method imports: the stage, its loss, and what they share."""
    method = configuration.resolve_method(config, wildcards.method, wildcards.dataset)
    return sources("spml.train", f"spml.losses.{method['loss']}")


def observed_labels(wildcards):
    """The observed labels that a run trains on."""
    observation = configuration.observation_of(config, wildcards.protocol, wildcards.method)
    return f"results/observed/{wildcards.dataset}/{wildcards.protocol}/{observation}.npz"


def given_methods():
    """Methods whose scores come from elsewhere."""
    return [name for name in config["methods"] if configuration.is_given(config, name)]


def trained_methods():
    """All other methods."""
    given = set(given_methods())
    return [name for name in config["methods"] if name not in given]


def given_scores(wildcards):
    """The file of the scores of a run that was made elsewhere."""
    run = configuration.Run(**{**wildcards, "seed": int(wildcards.seed)})
    return configuration.scores_path(config, run)


@functools.cache
def trained_as(dataset, protocol, method):
    """The method whose run a method takes over, or itself."""
    return identical.trained_as(config, dataset, protocol, method)


def identical_run(wildcards):
    """The files of a run with the same settings under another name; nothing where there is none."""
    other = trained_as(wildcards.dataset, wildcards.protocol, wildcards.method)
    if other == wildcards.method:
        return []
    return [str(path).format(**{**wildcards, "method": other}) for path in rules.train.output]


def backbone_weights(wildcards):
    """The weights that a run starts from."""
    return config["datasets"][wildcards.dataset]["backbone"]["weights"]


def as_json(value):
    """One line of JSON: a parameter that Snakemake compares whole, names included."""
    return configuration.compact_json(value)


def run_settings(wildcards):
    """The settings of one run."""
    return as_json(
        configuration.run_settings(
            config,
            wildcards.dataset,
            wildcards.protocol,
            wildcards.method,
            int(wildcards.seed),
        )
    )


def machine_settings(wildcards, resources):
    """How a run uses this computer.

    Nothing is to be made anew when that changes. Snakemake does not compare parameters that are
    functions of `resources`.
    """
    return as_json(config["machine"])


def network_threads(wildcards):
    """Threads of a job that runs a network; where images are not packed, it decodes them as it goes.

    With how many it computes is a setting, which no number of cores changes.
    """
    source = config["datasets"][wildcards.dataset].get("source", {})
    return max(config["threads"], 8 if source.get("pack") == "on_the_fly" else 1)


def gpus():
    """The number of GPUs that a job asks for if it runs the network."""
    return 0 if config["device"] == "cpu" else 1


def training_gpus(wildcards):
    """The number of GPUs that a training asks for; none where it takes over another."""
    return 0 if identical_run(wildcards) else gpus()


def network_environment():
    """The environment of jobs that import torch: its build for GPUs, or the one for CPUs."""
    build = "train_cpu" if config["device"] == "cpu" else "train"
    return f"../../envs/{build}.yaml"


def memory(job, megabytes):
    """A resources function: what the dataset says of such a job, and as much for each new attempt."""
    return lambda wildcards, attempt: attempt * configuration.job_need(
        config, wildcards.dataset, job, "mem_mb", megabytes
    )


def time_limit(job, minutes, goes_on=False):
    """A resources function: what the dataset says of such a job, and as long for each new attempt.

    The limit stays where a new attempt goes on from where the one before it ended.
    """
    return lambda wildcards, attempt: (1 if goes_on else attempt) * configuration.job_need(
        config, wildcards.dataset, job, "runtime", minutes
    )


def observe_settings(wildcards):
    """The arguments of the observe stage."""
    return as_json(
        configuration.observe_settings(config, wildcards.protocol, wildcards.observation)
    )


def selection_criterion(wildcards):
    """The labels by which a run's epoch is selected."""
    return configuration.training_settings(
        config, wildcards.dataset, wildcards.protocol, wildcards.method
    )["selection"]


def run_files(exhibit, name):
    """The file ``name`` of each run that an exhibit shows."""
    return [f"{RUN.format(**run._asdict())}/{name}" for run in shown.exhibit_runs(config, exhibit)]


def searched_files(name):
    """The file ``name`` of each run of a search."""
    return [f"{RUN.format(**run._asdict())}/{name}" for run in search.searched_runs(config)]


def pretrain_settings(dataset):
    """The settings of learning the backbone of the embedded dataset."""
    definition = config["datasets"][dataset]
    return {
        "architecture": definition["backbone"]["architecture"],
        "compose": definition["compose"],
        "images": definition["images"],
        "pretrain": definition["pretrain"],
        "threads": config["threads"],
    }


def network_settings(dataset):
    """The settings of a network that is run but not trained."""
    definition = config["datasets"][dataset]
    return {
        "architecture": definition["backbone"]["architecture"],
        "images": definition["images"],
        "device": config["device"],
        "threads": config["threads"],
    }


def feature_settings(wildcards):
    """The settings of extracting features."""
    return as_json(network_settings(wildcards.dataset))


def localise_settings(wildcards):
    """The settings of class activation maps of a run."""
    method = configuration.resolve_method(config, wildcards.method, wildcards.dataset)
    return as_json({**network_settings(wildcards.dataset), "head": method["head"]})


def picture_datasets():
    """Datasets of which there are pictures, and so a backbone that makes features of them."""
    return [name for name, dataset in config["datasets"].items() if "features" not in dataset]


def feature_datasets():
    """Datasets that come as features."""
    return [name for name, dataset in config["datasets"].items() if "features" in dataset]


def given_features(wildcards):
    """The file of a dataset that comes as features."""
    return config["datasets"][wildcards.dataset]["features"]["file"]


def features_scale(wildcards):
    """What the features of such a file are multiplied by."""
    return config["datasets"][wildcards.dataset]["features"].get("scale", 1)


def is_frozen(wildcards):
    """Whether a run trains the head alone, on features."""
    training = configuration.training_settings(
        config, wildcards.dataset, wildcards.protocol, wildcards.method
    )
    return training.get("frozen", False)


def training_images(wildcards):
    """The manifest of the images that a run trains on; nothing where it trains on features."""
    return [] if is_frozen(wildcards) else PACKED.format(dataset=wildcards.dataset)


def training_backbone(wildcards):
    """The weights that a run starts from; nothing where features were made with them before."""
    return [] if is_frozen(wildcards) else backbone_weights(wildcards)


def frozen_backbone(wildcards):
    """The weights that a run leaves out of its own; nothing where it trains all of them."""
    return backbone_weights(wildcards) if is_frozen(wildcards) else []


def training_features(wildcards):
    """The features that a head is trained on, or is first trained on; else nothing."""
    training = configuration.training_settings(
        config, wildcards.dataset, wildcards.protocol, wildcards.method
    )
    if is_frozen(wildcards):
        splits = ["train", "test"]
    else:
        splits = ["train"] if training["linear_init"] else []
    return [FEATURES.format(dataset=wildcards.dataset, split=split) for split in splits]


def training_features_checksums(wildcards):
    """The checksums of these features, which stand for them where runs are compared."""
    return [str(Path(path).with_suffix(".sha256")) for path in training_features(wildcards)]


def training_threads(wildcards):
    """Threads of a training: what its network computes with, or decodes images with."""
    return config["threads"] if is_frozen(wildcards) else network_threads(wildcards)


def prior_record(wildcards):
    """The record of the run that finds the prior of a run's loss; nothing where there is none."""
    method = configuration.resolve_method(config, wildcards.method, wildcards.dataset)
    if "prior_from" not in method:
        return []
    return f"{RUN.format(**{**wildcards, 'method': method['prior_from']})}/run.json"


def optional_flag(flag, name):
    """A params function: ``flag`` with the input called ``name``, or nothing without one."""

    def given(wildcards, input):
        files = [input[name]] if isinstance(input[name], str) else input[name]
        return shlex.join([flag, *files]) if files else ""

    return given


def one_of(names):
    """A wildcard constraint: one of ``names``, or nothing where there are none."""
    return "|".join(names) or "(?!)"


def reference_datasets():
    """Datasets of which the original code base has arrays."""
    return [
        name
        for name in registry.real_datasets(config)
        if config["datasets"][name]["source"]["module"] in registry.REFERENCE_MODULES
    ]


def exported_datasets():
    """Those of them that are selected, or all that anybody can download where none is."""
    selected = [name for name in config["select"]["datasets"] if name in reference_datasets()]
    manual = {row.dataset for row in registry.configured_rows(config) if row.access == "manual"}
    return selected or [name for name in reference_datasets() if name not in manual]


def registered_file(wildcards):
    """The row of the registry of a file of a dataset, or of weights, which are of none."""
    dataset = wildcards.get("dataset", "weights")
    return registry.download_settings(config, dataset, wildcards.file)


def download_source(wildcards):
    """What a file is, wherever it comes from."""
    row = registered_file(wildcards)
    return as_json({key: row[key] for key in row if key != "addresses"})


def download_addresses(wildcards, resources):
    """Where a file is.

    Nothing is to be made anew for another mirror. Snakemake does not compare parameters that are
    functions of `resources`.
    """
    return as_json(registered_file(wildcards)["addresses"])


def source_setting(key, default=None):
    """A params function: one key of how a downloaded dataset is read."""
    return lambda wildcards: config["datasets"][wildcards.dataset]["source"].get(key, default)


def format_settings(wildcards, resources):
    """What is known of a dataset, which formatting compares with what it finds.

    It changes no label, so that knowing more makes nothing anew; nor does `class_counts`. Snakemake
    does not compare parameters that are functions of `resources`.
    """
    return as_json(source_setting("expected", {})(wildcards))


def class_counts(wildcards):
    """The table of known images a class; nothing where a dataset has none."""
    path = source_setting("class_counts")(wildcards)
    return ancient(path) if path else []


def dataset_sources(stage):
    """An input function: the files that a stage imports for a dataset, its module among them."""
    return lambda wildcards: sources(stage, f"spml.datasets.{source_setting('module')(wildcards)}")


def dataset_tree(wildcards):
    """The folder of a dataset's official tree."""
    return registry.tree(config, wildcards.dataset)


def tree_manifests(holds):
    """An input function: manifests of the extracted files that hold ``labels`` or ``images``."""
    return lambda wildcards: registry.manifests(config, wildcards.dataset, holds)


def image_address(wildcards, resources):
    """Folder of the web that a dataset's images are fetched from one by one; another is no change."""
    return source_setting("image_address")(wildcards)


def exhibit_settings(exhibit, reads):
    """What an exhibit shows and, where it reads records of runs, what these have to say."""
    settings = stage_settings.exhibit_settings(config, exhibit)
    if "records" in reads:
        runs = shown.exhibit_runs(config, exhibit)
        settings["made_with"] = configuration.made_with(config, runs)
    return as_json(settings)


def exhibit_file(exhibit, suffix):
    """The path of one file of an exhibit."""
    return str(exhibit_path(exhibit, suffix))


def reported_file(exhibit, form):
    """The page of an exhibit that Snakemake's own report shows."""
    return report(
        exhibit_file(exhibit, ".html"),
        caption="../report/exhibit.rst",
        category=PAPERS[split_key(exhibit)[0]],
        labels={"exhibit": config["exhibits"][exhibit]["title"], "form": form},
    )


def exhibit_outputs(exhibit, form):
    """The outputs of a table or a figure."""
    suffixes = {"table": ("csv", "md", "tex"), "figure": ("csv", "pdf", "png", "svg")}
    return {
        **{suffix: exhibit_file(exhibit, f".{suffix}") for suffix in suffixes[form]},
        "html": reported_file(exhibit, form),
        "caption": exhibit_file(exhibit, ".caption.txt"),
        "checksums": exhibit_file(exhibit, ".sha256"),
    }


def with_checksums(*paths):
    """Files, and the checksums that they are compared with when they are read."""
    checksums = (str(Path(path).with_suffix(".sha256")) for path in paths)
    return [*paths, *dict.fromkeys(checksums)]


def published_numbers(exhibit):
    """The published numbers that an exhibit shows beside ours."""
    paper, name = split_key(exhibit)
    return PUBLISHED.format(paper=paper, name=name)


def published_elsewhere(exhibit):
    """The files of published numbers that an exhibit shows beside those of its own."""
    return [published_numbers(name) for name in config["exhibits"][exhibit]["published_from"]]


def exhibit_labels(exhibit):
    """The labels of each dataset that an exhibit shows."""
    settings = stage_settings.exhibit_settings(config, exhibit)
    return sorted({LABELS.format(**block) for block in settings["blocks"]})


def exhibit_images(exhibit):
    """The manifests of the packed images of each dataset that an exhibit shows."""
    settings = stage_settings.exhibit_settings(config, exhibit)
    return sorted({PACKED.format(**block) for block in settings["blocks"]})


def exhibit_losses(exhibit):
    """The files of the losses that an exhibit's methods train with."""
    names = {
        configuration.resolve_method(config, run.method, run.dataset, run.protocol)["loss"]
        for run in shown.exhibit_runs(config, exhibit)
    }
    return sources(*(f"spml.losses.{name}" for name in sorted(names)))


def exhibit_observations(exhibit):
    """The observed labels that the runs of an exhibit saw."""
    return [
        OBSERVED.format(dataset=dataset, protocol=protocol, observation=observation)
        for dataset, protocol, observation in stage_settings.exhibit_observations(config, exhibit)
    ]


def collected_settings(wildcards):
    """The runs of a tidy table."""
    return as_json(stage_settings.collect_settings(config, f"{wildcards.paper}_{wildcards.name}"))


def collected_labels(wildcards):
    """The labels that name the classes of a tidy table."""
    return exhibit_labels(f"{wildcards.paper}_{wildcards.name}")


def collected_metrics(wildcards):
    """The metrics of each run of a tidy table."""
    return with_checksums(*run_files(f"{wildcards.paper}_{wildcards.name}", "metrics.json"))


def comparison_settings(wildcards):
    """What is compared for an exhibit on one dataset and protocol."""
    return as_json(
        stage_settings.comparison_settings(
            config,
            f"{wildcards.paper}_{wildcards.name}",
            wildcards.dataset,
            wildcards.protocol,
        )
    )


def compared_files(name):
    """An input function: the file ``name`` of each run that is compared."""
    return lambda wildcards: [
        f"{RUN.format(**run._asdict())}/{name}"
        for run in shown.exhibit_runs(config, f"{wildcards.paper}_{wildcards.name}")
        if (run.dataset, run.protocol) == (wildcards.dataset, wildcards.protocol)
    ]


def comparisons(exhibit, suffix=".csv"):
    """The differences of an exhibit's methods, or with ``.npz`` what they are computed from."""
    paths = [
        str(comparison_path(exhibit, **pair, suffix=suffix))
        for pair in shown.compared_pairs(config, exhibit)
    ]
    return with_checksums(*paths)


def tidy_table(exhibit):
    """The metrics of all runs of an exhibit."""
    paper, name = split_key(exhibit)
    return with_checksums(TABLE.format(paper=paper, name=name))


# What an exhibit may read, by a word for it: a file of each run that it shows, ...
OF_RUNS = {
    "records": "run.json",
    "histories": "history.jsonl",
    "predictions": "predictions.npz",
    "traces": "trace.npz",
    "entries": "entries.npy",
    "modified": "modified.npy",
    "pointing": "pointing.json",
}
# ... what was made for it, or of what it shows, ...
OF_EXHIBIT = {
    "metrics": tidy_table,
    "class precisions": lambda exhibit: with_checksums(*run_files(exhibit, "metrics.json")),
    "comparisons": comparisons,
    "published": published_numbers,
    "published elsewhere": published_elsewhere,
    "labels": exhibit_labels,
    "observed": exhibit_observations,
    "images": exhibit_images,
    "losses": exhibit_losses,
    "mapping": lambda exhibit: with_checksums(MAPPING_TABLE),
    "gradients": lambda exhibit: with_checksums(GRADIENT_TABLE),
    "search": lambda exhibit: with_checksums(SEARCH_TABLE),
}
# ... or something of the exhibits that it is made from.
OF_OTHERS = {
    "data of others": lambda exhibit: with_checksums(exhibit_file(exhibit, ".csv")),
    "published of others": published_numbers,
    "resamples of others": lambda exhibit: comparisons(exhibit, suffix=".npz"),
}


def exhibit_input(exhibit, word):
    """The files that an exhibit reads under one of these words."""
    if word in OF_RUNS:
        return run_files(exhibit, OF_RUNS[word])
    if word in OF_EXHIBIT:
        return OF_EXHIBIT[word](exhibit)
    return [OF_OTHERS[word](other) for other in shown.drawn_on(config, exhibit)]


def exhibit_inputs(exhibit, words):
    """What an exhibit reads, by name."""
    return {word.replace(" ", "_"): exhibit_input(exhibit, word) for word in words}


def report_settings():
    """What the report shows, the configuration that it prints, and with what its runs were made."""
    runs = shown.reported_runs(config)
    return as_json(
        {
            **stage_settings.report_settings(config),
            "made_with": configuration.made_with(config, runs),
        }
    )


def other_pages():
    """All files of the report but its front page."""
    paths = page_paths(stage_settings.report_settings(config))
    return [path for page in paths if (path := str(Path(REPORT).parent / page)) != REPORT]


def report_templates():
    """The templates of the report's pages, and what they share."""
    return sorted(
        str(path) for path in Path("workflow/report").glob("*.*") if path.suffix != ".rst"
    )


def definition_files():
    """The configuration files that define what the report quotes with its comments.

    Paths are relative, so that a folder that was moved is not out of date.
    """
    quoted = re.compile(r"^(datasets|protocols|methods):", re.MULTILINE)
    return [
        os.path.relpath(path)
        for path in configuration_files()
        if quoted.search(Path(path).read_text(encoding="utf-8"))
    ]


def reported_losses():
    """The files of the losses of all reported runs, whose descriptions the report quotes."""
    methods = {run.method for run in shown.reported_runs(config)} - set(given_methods())
    losses = {configuration.resolve_method(config, name, None)["loss"] for name in methods}
    return sources(*(f"spml.losses.{name}" for name in sorted(losses)))


def reported_pictures():
    """Some pictures of each dataset of which there are any."""
    settings = stage_settings.report_settings(config)
    return [PICTURES.format(**item) for item in settings["pictures"]]


def reported_exhibits(wildcards):
    """All files of the exhibits that are selected."""
    return [path for name in shown.shown_exhibits(config) for path in getattr(rules, name).output]


def reported_files(pattern):
    """One file of each run that a selected exhibit shows."""
    return [pattern.format(**run._asdict()) for run in shown.reported_runs(config)]


def reported_run_files(wildcards):
    """All files of each run that a selected exhibit shows."""
    given = set(given_methods())
    return [
        str(path).format(**run._asdict())
        for run in shown.reported_runs(config)
        for path in [
            *(rules.take_scores if run.method in given else rules.train).output,
            *rules.evaluate.output,
        ]
    ]


def benchmark_folder(wildcards, input):
    """The folder of the benchmarks of training, wherever the pathvar puts it."""
    return str(Path(input.benchmarks[0]).parents[3]) if input.benchmarks else "."


def all_loss_sources():
    """The files of all losses, and of the stage that describes them."""
    losses = checks.loss_hyperparameters("workflow/spml/losses")
    return sources("spml.describe", *(f"spml.losses.{name}" for name in losses))
