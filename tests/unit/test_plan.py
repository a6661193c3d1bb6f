"""Why jobs run, how long they take and what they write, from what a dry run says of them."""

import json
from pathlib import Path

import pytest
from spml import plan
from spml.desk import estimates, rates
from spml.desk.dry_run import Job
from spml.desk.estimates import Estimates
from spml.planning.files import load

ROOT = Path(__file__).parents[2]
LOSSES = ["an", "gr"]


def train_job(
    *, dataset="digits", protocol="demo", method="gr", seed="0", reason="", minutes=30.0
) -> Job:
    folder = f"{dataset}/{protocol}/{method}/seed{seed}"
    return Job(
        rule="train",
        wildcards={"dataset": dataset, "protocol": protocol, "method": method, "seed": seed},
        reason=reason,
        outputs=(f"results/runs/{folder}/weights.pt", f"results/runs/{folder}/run.json"),
        benchmark=f"results/benchmarks/train/{folder}.jsonl",
        gpus=1,
        threads=1,
        minutes=minutes,
    )


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The project's configuration, two earlier runs of GR, and nothing on any other dataset."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "Snakefile").symlink_to(ROOT / "Snakefile")
    monkeypatch.chdir(tmp_path)
    for cached in (estimates._files, estimates._mean, rates.recorded):
        cached.cache_clear()
    for seed, seconds in ((0, 10.0), (1, 30.0)):
        job = train_job(seed=str(seed))
        for path, text in (
            (job.benchmark, json.dumps({"s": seconds})),
            (job.outputs[0], "w" * 1000),
            (job.outputs[1], "r" * 100),
        ):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Missing output files: a, b; Updated input files: workflow/spml/plumbing/errors.py", "new: its files are not there"),
        ("Updated input files: workflow/spml/losses/gr.py", "changed loss: gr.py"),
        ("Updated input files: workflow/spml/losses/base.py, workflow/spml/training/engine.py", "changed shared code: base.py, engine.py"),
        ("Updated input files: config/published/gr_main_table.csv", "changed published numbers: gr_main_table.csv"),
        ("Updated input files: results/labels/digits.npz", "changed data: digits.npz"),
        ("Params have changed since last execution: Union of exclusive params", "changed settings"),
        ("Input files updated by another job: x; Params have changed since last execution: a", "changed settings"),
        ("Input files updated by another job: x", "follows from jobs above"),
        ("Set of input files has changed since last execution", "other inputs than before"),
        ("Forced execution", "asked for (forced)"),
        ("Updated input files: w/a.npz, w/b.npz, w/c.npz, w/d.npz", "changed data: a.npz, b.npz, c.npz and 1 more"),
    ],
)  # fmt: skip
def test_reason_is_told_in_words_of_the_project(reason, told):
    assert plan.explain(reason, LOSSES) == told


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        (train_job(seed="1"), 30.0),  # its own benchmark
        (train_job(seed="7"), 20.0),  # other seeds
        (train_job(method="an"), 20.0),  # other methods
        (train_job(dataset="voc"), None),  # never another dataset
    ],
)
def test_time_is_that_of_the_job_or_of_the_most_similar_ones(job, seconds):
    found = Estimates(load()).of(job)
    assert (found.low if found and found.origin == estimates.BENCHMARKS else None) == seconds


def test_run_on_a_part_of_the_images_tells_the_time_of_one_on_all():
    config = load()
    config["observations"]["part"] = {"fraction": 0.25}
    config["methods"]["gr"]["observation"] = "part"
    record = {
        "settings": {"architecture": "digit_network", "training": {"batch_size": 32}},
        "image_shape": [24, 24, 1],
        "images_per_second": 500.0,
    }
    Path("results/runs/digits/demo/gr/seed0/run.json").write_text(json.dumps(record))
    [part, whole] = (Estimates(config).of(train_job(method=m, seed="7")) for m in ("gr", "an"))
    assert part.low == 20.0
    # 2,000 pictures are trained on in each of 8 epochs, and a quarter of them was.
    assert whole.low == pytest.approx(20.0 + 8 * (2000 - 500) / 500)
    assert whole.origin == estimates.BENCHMARKS


def test_size_counts_only_what_is_not_there_yet():
    config = load()
    assert estimates.new_bytes(config, train_job(seed="1")) == 0
    assert estimates.new_bytes(config, train_job(seed="7")) == 1100


def test_size_of_what_never_ran_here_is_that_of_the_registry():
    config = load()
    [row] = [
        line.split("\t")
        for line in (ROOT / "config/datasets.tsv").read_text().splitlines()
        if line.startswith("weights\tresnet50-0676")
    ]
    assert estimates.new_bytes(config, train_job(dataset="voc")) == int(row[5])
    # Of a frozen network the head alone is kept.
    assert estimates.new_bytes(config, train_job(dataset="voc", protocol="linear")) == 0
    images = {"voc": 5717 + 5823, "cub": 5994 + 5794}
    for dataset, count in images.items():
        pack = Job("pack", {"dataset": dataset}, "", ("manifest.json",), None, 0, 8, 240)
        assert estimates.new_bytes(config, pack) == count * 448 * 448 * 3


def test_summary_says_what_its_numbers_are_from():
    config = load()
    estimates = Estimates(config)
    [first, *_] = plan.summary(config, [train_job(seed="7")], estimates).splitlines()
    assert (
        first
        == "Hours of jobs that ask for a GPU: less than 0.01 (jobs: 1 by benchmarks of these or of like jobs)"
    )
    jobs = [train_job(seed="7"), train_job(dataset="voc", protocol="gr", minutes=720)]
    text = plan.summary(config, jobs, estimates)
    assert "1 by one H100 SXM, by arithmetic, config/cards.tsv" in text
    assert "make plan MEASURE=1" in text
    assert "in bf16: " in text
    # Never its time limit.
    unknown = Job("pack", {"dataset": "voc"}, "", ("m.json",), "b/pack/voc.jsonl", 0, 8, 240)
    told = plan.summary(config, [unknown], estimates)
    assert "CPU-hours: not known, since nothing like these 1 jobs has run here" in told


def test_table_never_takes_a_time_limit_for_an_estimate():
    config = load()
    jobs = [Job("pack", {"dataset": "voc"}, "Missing", ("m",), "b/pack/voc.jsonl", 0, 8, 240)]
    [row] = plan.table(jobs, LOSSES, False, Estimates(config)).rows
    assert row[4] == "not known"


def test_table_has_a_line_for_each_reason_or_each_method():
    jobs = [
        train_job(method=method, seed=seed, reason="Missing output files: x")
        for method in ("gr", "an")
        for seed in "78"
    ]
    [row] = plan.table(jobs, LOSSES, by_method=False, estimates=Estimates(load())).rows
    assert row == ["train", "4", "digits", "an, gr", "80 s", "new: its files are not there"]
    rows = plan.table(jobs, LOSSES, by_method=True, estimates=Estimates(load())).rows
    assert [row[1:4] for row in rows] == [["2", "digits", "an"], ["2", "digits", "gr"]]
