"""How much jobs compute and how fast networks are, against numbers that were worked out by hand."""

import json
from pathlib import Path

import pytest
from spml.desk import cost, rates, workload
from spml.desk.dry_run import Job
from spml.desk.estimates import Estimates
from spml.desk.rates import Rate
from spml.desk.workload import Network
from spml.planning.files import load

ROOT = Path(__file__).parents[2]
DIGITS = Network("digit_network", 24, 32, "fp32", frozen=False)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The project's configuration, and nothing that has run."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "Snakefile").symlink_to(ROOT / "Snakefile")
    monkeypatch.chdir(tmp_path)
    rates.recorded.cache_clear()


def job(rule: str, gpus: int = 1, **wildcards: str) -> Job:
    return Job(
        rule, wildcards, "", (f"{rule}/out",), f"results/benchmarks/{rule}.jsonl", gpus, 1, 60
    )


def test_pictures_of_a_run_are_epochs_times_rows():
    work = workload.of_training(load(), "voc", "gr", "gr")
    # 5,717 images, of which a fifth validates; 8 epochs, and 5,823 test images.
    assert work.trained == 8 * (5717 - 1143)
    assert work.scored == 8 * 1143 + 5823
    assert work.network == Network("resnet50", 448, 8, "fp32", frozen=False)
    assert work.least == 2 / 8  # it stops after the second epoch at the earliest
    assert workload.of_training(load(), "digits", "demo", "gr").least == 1


def test_pictures_of_a_share_of_the_images_and_of_a_frozen_backbone():
    config = load()
    share = workload.of_training(config, "coco", "ll", "an_20_percent")
    assert share.trained == 10 * round((82081 - 16416) * 0.2)
    head = workload.of_training(config, "coco", "linear", "an")
    assert head.network == Network(None, 0, 8, "fp32", frozen=True)
    features = workload.of_job(config, "extract_features", {"dataset": "coco", "split": "test"})
    assert (features.trained, features.scored) == (0, 40137)


def test_number_of_images_that_nobody_knows_is_no_estimate():
    config = load()
    assert workload.of_training(config, "openimages", "ll_openimages", "an") is None
    place = {"dataset": "openimages", "protocol": "ll_openimages", "method": "an", "seed": "0"}
    assert Estimates(config).of(job("train", **place)) is None


def test_operations_of_a_network_are_those_that_torchvision_prints():
    """4.09 and 7.8 billion multiplications with additions at 224 pixels."""
    assert rates._flops("resnet50", 224, 3) == pytest.approx(2 * 4.09e9, rel=0.01)
    assert rates._flops("resnet101", 224, 3) == pytest.approx(2 * 7.80e9, rel=0.01)
    assert rates._flops("resnet50", 448, 3) == pytest.approx(8 * 4.09e9, rel=0.01)


def test_card_promises_the_time_of_three_forward_passes():
    card = {"device": "X", "precision": "fp32", "teraflops": "10", "share_low": "0.25", "share_high": "0.5"}  # fmt: skip
    network = Network("resnet50", 224, 8, "fp32", frozen=False)
    rate = rates.promised(network, 3, [card])
    assert rate.high == pytest.approx(3 * 2 * 4.09e9 / 2.5e12, rel=0.01)
    assert rate.low == pytest.approx(rate.high / 2)
    assert rates.promised(network._replace(precision="bf16"), 3, [card]) is None


def test_every_row_of_cards_can_be_read():
    for card in rates.read_cards(ROOT / "config/cards.tsv"):
        assert 0 < float(card["share_low"]) < float(card["share_high"]) <= 1
        assert float(card["teraflops"]) > 0
        assert card["source"]


def test_time_is_pictures_times_a_rate_and_looking_costs_a_third():
    config = load()
    place = {"dataset": "digits", "protocol": "demo", "method": "gr", "seed": "0"}
    estimates = Estimates(config, {DIGITS: Rate(0.001, 0.002, 5.0, "a test")})
    found = estimates.of(job("train", **place))
    pictures = 8 * 2000 + (8 * 500 + 1000) / 3
    assert found.low == pytest.approx(5 + 0.001 * pictures)
    assert found.high == pytest.approx(5 + 0.002 * pictures)
    assert found.origin == "a test"


def test_rates_of_runs_here_come_before_measured_ones():
    folder = Path("results/runs/digits/demo/an/seed0")
    folder.mkdir(parents=True)
    record = {
        "settings": {
            "architecture": "digit_network",
            "training": {"batch_size": 32},
        },
        "image_shape": [24, 24, 1],
        "images_per_second": 500.0,
    }
    (folder / "run.json").write_text(json.dumps(record))
    estimates = Estimates(load(), {DIGITS: Rate(9, 9, 9, "a test")})
    # Of another protocol, so that no benchmark of a like job is asked.
    place = {"dataset": "digits", "protocol": "demo", "method": "gr", "seed": "0"}
    found = estimates.of(job("train", **place))
    assert found.origin == rates.RECORDED
    pictures = 8 * 2000 + (8 * 500 + 1000) / 3
    assert found.low < pictures / 500 < found.high


def test_jobs_without_a_gpu_are_not_promised_the_time_of_a_card():
    place = {"dataset": "voc", "protocol": "gr", "method": "gr", "seed": "0"}
    assert Estimates(load()).of(job("train", **place)).origin.startswith("one H100")
    assert Estimates(load()).of(job("train", gpus=0, **place)) is None


def test_copy_of_another_run_takes_no_time_and_needs_no_rate():
    place = {"dataset": "digits", "protocol": "demo", "seed": "0"}
    copy, other = (job("train", method=name, **place) for name in ("gr_l3_mae", "gr_l3_log"))
    assert Estimates(load()).of(copy).high == 0
    assert not Estimates(load()).unmeasured([copy])
    assert Estimates(load(), {DIGITS: Rate(1, 1, 0, "a test")}).of(other).low > 0


def test_hours_of_each_exhibit_alone_are_those_of_its_runs():
    config = load()
    for name, methods in (("gr_main_table", ["an", "gr"]), ("gr_ablation", ["gr"])):
        config["exhibits"][name] |= {"methods": methods, "seeds": [0]}
    config["select"]["exhibits"] = ["gr_main_table", "gr_ablation"]
    place = {"dataset": "digits", "protocol": "demo", "seed": "0"}
    jobs = [job("train", method=name, **place) for name in ("an", "gr")]
    # 17,666.67 pictures a run, of which the last third was looked at alone.
    second = 3600 / (8 * 2000 + (8 * 500 + 1000) / 3)
    estimates = Estimates(config, {DIGITS: Rate(second, second, 0.0, "a test")})
    told = cost.summary(config, jobs, estimates)
    line = "  trainings that one exhibit alone needs: 2.00 for gr_main_table; 1.00 for gr_ablation"
    assert line in told.splitlines()
    assert "alone" not in cost.summary(config, jobs[1:], estimates)


def test_networks_and_heads_are_measured_on_this_machine(monkeypatch):
    monkeypatch.setattr(rates, "MEASURED_SECONDS", 0.05)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))
    head = Network(None, 0, 16, "fp32", frozen=True)
    found = rates.measure({DIGITS: 1, head: 0}, "cpu", 1)
    assert set(found) == {DIGITS, head}
    for rate in found.values():
        assert 0 < rate.low < rate.high
        assert rate.start > 0.1  # it imports torch
        assert rate.origin == "rates measured now on the CPU"
