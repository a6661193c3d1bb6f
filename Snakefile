# Reference reproduction of learning from single-positive labels.
# Contents: checks, configuration, then one file of rules a stage in the order of the data, then targets.

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/preflight.smk"
include: "workflow/rules/interpreter.smk"


configfile: "config/datasets.yaml"
configfile: "config/protocols.yaml"
configfile: "config/methods.yaml"
configfile: "config/sweeps.yaml"
configfile: "config/exhibits.yaml"
configfile: "config/config.yaml"


pathvars:
    logs="results/logs",
    benchmarks="results/benchmarks",


include: "workflow/rules/common.smk"


wildcard_constraints:
    dataset=any_of(config["datasets"]),
    protocol=any_of(config["protocols"]),
    method=any_of(config["methods"]),
    observation=any_of(config["observations"]),
    seed="[0-9]+",
    file="[A-Za-z0-9][A-Za-z0-9._-]*",


include: "workflow/rules/digits.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/format.smk"
include: "workflow/rules/pack.smk"
include: "workflow/rules/observe.smk"
include: "workflow/rules/illustrate.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/import_features.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/take_scores.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/localise.smk"
include: "workflow/rules/describe.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/choose.smk"
include: "workflow/rules/exhibits.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        report=rules.report.output,
        # Named here as well as by what is made of them, because Snakemake makes a missing file
        # only for a job that runs: what a failed job has lost would not be noticed otherwise.
        exhibits=reported_exhibits,
        runs=reported_run_files,
