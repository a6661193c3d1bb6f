"""The workflow as a user meets it: real Snakemake in a copy of the checkout."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from checkouts import SMALL
from requirements_closure import stages

RUN = "results/runs/digits/demo"
VARIANT = "gr_l2_log"  # of GR Loss, which the ablation and the curves show with seed 0


def children(pid: int, module: str) -> list[int]:
    """Processes below ``pid`` that run Python with ``-m module``."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            waiting += [int(child) for child in task.read_text().split()]
        words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
        if words[1:3] == [b"-m", module.encode()]:
            found.append(parent)
    return found


def runs(stage: str, methods: list[str], seeds: list[int]) -> set[str]:
    return {f"{stage}/digits/demo/{method}/seed{seed}" for method in methods for seed in seeds}


def jobs_of(planned: set[str], *stages: str) -> set[str]:
    return {job for job in planned if job.split("/")[0] in stages}


def collectors(planned: set[str]) -> set[str]:
    """Planned jobs that gather runs: tables, exhibits and the report."""
    stages = ("compose", "pretrain", "observe", "train", "evaluate", "localise", "illustrate")
    return planned - jobs_of(planned, *stages)


TABLES = {
    *("gr_main_table", "gr_dataset_statistics", "gr_ablation", "gr_hyperparameters"),
    *("gr_separation_table", "gr_loss_mapping", "ll_partial_labels", "ll_memorisation_table"),
    *("ll_pointing_game", "extra_significance", "extra_reproduction_summary", "extra_claims"),
    *("extra_cost", "extra_class_ap"),
}
FIGURES = {
    *("gr_class_counts", "gr_separation", "gr_false_negative_rate", "gr_gradients"),
    *("gr_hyperparameter_curves", "ll_memorisation_curve", "ll_corrections", "ll_delta_rel"),
    *("ll_labelling_efficiency", "ll_examples", "extra_learning_curves"),
    *("extra_gap_closed", "extra_separation", "extra_class_gain"),
}


def test_everything_is_made_and_then_nothing_is_to_be_done(finished):
    for method in ("bce", "an", "gr"):
        for seed in (0, 1):
            metrics = json.loads(
                (finished.path / RUN / method / f"seed{seed}/metrics.json").read_text()
            )
            assert 0 <= metrics["test"]["map"] <= 100
            assert len(metrics["val"]["ap"]) == 10
            assert metrics["selected_epoch"] in (1, 2)
    for method, epochs in (("an", 0), ("an_recorded", 2)):
        assert len(np.load(finished.path / RUN / method / "seed0/entries.npy")) == epochs
    for form, names in (("md", TABLES), ("png", FIGURES)):
        made = finished.path.glob(f"results/exhibits/*/*.{form}")
        assert {f"{path.parent.name}_{path.stem}" for path in made} == names
    report = (finished.path / "results/report/index.html").read_text(encoding="utf-8")
    runs = len(list((finished.path / "results/runs").glob("*/*/*/*/metrics.json")))
    assert f"was computed from {runs} training runs;" in " ".join(report.split())
    assert "Nothing to be done" in finished.ask("-n")


def test_editing_a_loss_plans_its_runs_and_what_shows_them(checkout):
    checkout.edit("workflow/spml/losses/gr.py", "\nclass ", "\nCHANGED = True\n\n\nclass ")
    planned = checkout.planned()
    for stage in ("train", "evaluate"):
        variant = runs(stage, [VARIANT], [0])
        assert jobs_of(planned, stage) == runs(stage, ["gr"], [0, 1]) | variant
    assert not jobs_of(planned, "compose", "pretrain", "observe")
    assert {job.rpartition("/")[2] for job in collectors(planned)} >= {
        "gr_main_table",
        "gr_ablation",
        "gr_hyperparameter_curves",
        "gr_hyperparameters",
        "gr_separation_table",
        "gr_separation",
        "gr_false_negative_rate",
        "extra_learning_curves",
    }
    labels_alone = ("class_counts", "dataset_statistics", "memorisation")
    assert not {job for job in planned if any(name in job for name in labels_alone)}


def test_runs_lost_to_a_mistake_in_a_loss_are_planned_again(checkout):
    """A loss that fails takes its run with it; mending it makes it anew, in other words all of them."""
    checkout.edit("workflow/spml/losses/gr.py", "self.q2 =", "raise OSError  # ")
    checkout.snakemake(f"{RUN}/gr/seed0/metrics.json", fails=True)
    checkout.edit("workflow/spml/losses/gr.py", "raise OSError  # ", "self.q2 =")
    planned = checkout.planned()
    for stage in ("train", "evaluate"):
        assert jobs_of(planned, stage) == runs(stage, ["gr"], [0])
    checkout.edit("workflow/spml/losses/gr.py", "self.q2 =", "self.q2 = 1.0 *")
    planned = checkout.planned()
    for stage in ("train", "evaluate"):
        variant = runs(stage, [VARIANT], [0])
        assert jobs_of(planned, stage) == runs(stage, ["gr"], [0, 1]) | variant


def test_touching_every_source_plans_nothing(checkout):
    for path in [*checkout.path.glob("workflow/**/*.*"), *checkout.path.glob("config/*")]:
        path.touch()
    (checkout.path / "Snakefile").touch()
    assert "Nothing to be done" in checkout.ask("-n")


@pytest.mark.parametrize(
    ("file", "old", "new", "made"),
    [
        ("workflow/spml/exhibits/gr_main_table.py", "Test images: ", "Images: ", {"gr_main_table"}),
        ("config/exhibits.yaml", "title: Main comparison", "title: Main", {"gr_main_table"}),
        ("workflow/spml/exhibits/style.py", "VERMILLION = ", "RED = VERMILLION = ", FIGURES),
    ],
)
def test_captions_and_style_make_exhibits_anew_and_no_run(checkout, file, old, new, made):
    checkout.edit(file, old, new)
    planned = {job.removeprefix("exhibits/") for job in checkout.planned()}
    assert made <= planned
    # What sums up other exhibits, and the report, show them.
    assert {job for job in planned - made if not job.startswith(("extra_", "report"))} == set()


def test_adding_a_seed_plans_its_runs_only(checkout):
    checkout.edit("tests/workflow/small.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]")
    planned = checkout.planned()
    methods = ["bce", "an", "gr"]
    assert jobs_of(planned, "train") == runs("train", methods, [2])
    assert jobs_of(planned, "evaluate") == runs("evaluate", methods, [2])
    assert not jobs_of(planned, "compose", "pretrain", "observe")


def test_adding_a_method_plans_its_runs_only(checkout):
    checkout.edit(
        "tests/workflow/small.yaml", "methods: [bce, an, gr]", "methods: [bce, an, gr, em]"
    )
    planned = checkout.planned()
    assert jobs_of(planned, "train") == runs("train", ["em"], [0, 1])
    assert jobs_of(planned, "evaluate") == runs("evaluate", ["em"], [0, 1])
    assert not {job for job in planned if job.endswith(("memorisation_curve", "gr_separation"))}


def test_changing_a_hyperparameter_plans_the_methods_that_have_it(checkout):
    # Not the variant, which has a q2 of its own.
    checkout.edit("config/methods.yaml", "q2: 0.01", "q2: 0.02")
    assert jobs_of(checkout.planned(), "train") == runs("train", ["gr"], [0, 1])


def test_one_run_is_asked_for_by_its_path(finished):
    target = f"{RUN}/ll_r/seed5/metrics.json"
    planned = finished.planned(target)
    assert planned == runs("train", ["ll_r"], [5]) | runs("evaluate", ["ll_r"], [5])


def test_file_of_a_run_that_nothing_is_made_of_is_made_again_when_it_is_lost(checkout):
    (checkout.path / RUN / "an/seed0/weights.pt").unlink()
    (checkout.path / RUN / "gr/seed1/run.sha256").unlink()
    trained = jobs_of(checkout.planned(), "train")
    assert trained == runs("train", ["an"], [0]) | runs("train", ["gr"], [1])


def test_same_seed_gives_the_same_bytes_with_any_threads(checkout):
    """Weights and scores too; the run is made anew from its inputs, in a job of two threads."""
    folder = checkout.path / RUN / "gr/seed0"
    names = ("metrics.json", "history.jsonl", "predictions.npz", "weights.pt")
    before = {name: (folder / name).read_bytes() for name in names}
    for path in folder.iterdir():
        path.unlink()
    checkout.snakemake(f"{RUN}/gr/seed0/metrics.json", "--set-threads", "train=2")
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, name


def test_methods_share_initial_weights_and_order(finished):
    """Two methods whose losses agree in the first epoch agree byte for byte after it."""
    first = {}
    for method in ("an", "ll_r"):
        lines = (finished.path / RUN / method / "seed0/history.jsonl").read_text().splitlines()
        first[method] = json.loads(lines[0])
    for key in ("loss", "val_map", "val_map_observed"):
        assert first["an"][key] == first["ll_r"][key]


def test_mistake_in_the_configuration_stops_before_any_job(pristine, tmp_path):
    checkout = pristine.copy(tmp_path / "checkout")
    selected = "  methods: [bce, an, gr]\n  seeds"
    checkout.edit("tests/workflow/small.yaml", selected, selected.replace("an", "ann"))
    printed = checkout.ask(fails=True)
    assert "small.yaml: select.methods[1] is 'ann' (did you mean 'an'?); allowed: an, " in printed
    assert "Traceback" not in printed
    assert not list((checkout.path / "results").glob("*/"))


def test_loss_that_is_not_finite_stops_the_run_with_its_place(checkout):
    checkout.edit("config/protocols.yaml", "learning_rate: 0.001", "learning_rate: 1.0e+30")
    checkout.snakemake(f"{RUN}/an/seed9/metrics.json", fails=True)
    log = (checkout.path / "results/logs/train/digits/demo/an/seed9.log").read_text()
    last = log.strip().splitlines()[-1]
    assert last.startswith("error: digits/demo/an/seed9: not finite in epoch 1, step ")
    assert "logits from" in last
    assert not (checkout.path / RUN / "an/seed9").exists()


def test_run_that_reaches_its_time_limit_goes_on_in_the_retry(finished, tmp_path):
    """SIGTERM to a job's training: Snakemake empties the run's folder, the next attempt goes on."""
    checkout = finished.copy(tmp_path / "checkout")
    target = f"{RUN}/an/seed0/metrics.json"
    (checkout.path / "long.yaml").write_text("protocols: {demo: {training: {epochs: 40}}}")
    with subprocess.Popen(
        checkout.command(target, "--retries", "1", *SMALL, "long.yaml"),
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        checkpoint = checkout.path / "data/checkpoints/digits/demo/an/seed0.pt"
        while not checkpoint.exists():
            assert process.poll() is None, "the workflow ended before a checkpoint was written"
            os.sched_yield()
            time.sleep(0.01)  # polls for the event; nothing depends on how long it takes
        for trained in children(process.pid, "spml.train"):
            os.kill(trained, signal.SIGTERM)
    assert process.returncode == 0
    record = json.loads((checkout.path / target).with_name("run.json").read_text())
    assert record["resumed"] == 1
    assert not checkpoint.exists()


def test_changing_how_runs_use_the_machine_plans_nothing(checkout):
    checkout.edit("config/config.yaml", "checkpoint_minutes: 10", "checkpoint_minutes: 5")
    assert "Nothing to be done" in checkout.ask("-n")


def test_lost_images_are_packed_again_without_training_again(checkout):
    """What the error message says, done: the same bytes come back and no run is out of date."""
    images = checkout.path / "data/packed/digits/train.npy"
    before = images.read_bytes()
    images.unlink()
    checkout.snakemake(f"{RUN}/an/seed7/metrics.json", fails=True)
    log = (checkout.path / "results/logs/train/digits/demo/an/seed7.log").read_text()
    manifest = "data/packed/digits/manifest.json"
    assert f"delete {manifest} and run: snakemake --cores all -- {manifest}" in log
    (checkout.path / manifest).unlink()
    checkout.snakemake(manifest)
    assert images.read_bytes() == before
    assert "Nothing to be done" in checkout.ask("-n")


@pytest.mark.parametrize("wrong", ["nowhere/demo/an", "digits/nowhere/an", "digits/demo/nowhere"])
def test_run_of_an_unknown_name_is_refused_without_a_stack_trace(pristine, wrong):
    printed = pristine.ask("-n", f"results/runs/{wrong}/seed0/metrics.json", fails=True)
    assert f"results/runs/{wrong}/seed0/metrics.json" in printed
    assert "Traceback" not in printed


def test_what_runs_the_network_asks_for_a_gpu_and_nothing_else_does():
    asked = {stage.rule for stage in stages() if stage.may_ask_for_gpu}
    assert asked == {"train", "extract_features", "localise"}
