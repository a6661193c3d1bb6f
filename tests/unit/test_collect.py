"""The tidy table against the metrics that the runs wrote."""

import json

import pandas as pd
import pytest
from finished_runs import CLASSES, configuration, write_results
from spml import collect
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import run_path, table_path
from spml.plumbing.checksums import verified, write_checksums
from spml.plumbing.errors import UserError


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(datasets=("alpha", "beta"), seeds=(0, 4))
    write_results(config)
    return exhibit_settings(config, "gr_main_table")


def run_collect(settings, monkeypatch):
    output = str(table_path("gr", "main_table"))
    arguments = ["collect", "--settings", json.dumps(settings), "--output", output]
    monkeypatch.setattr("sys.argv", arguments)
    collect.main()
    return pd.read_csv(verified(output))


def test_every_run_has_a_row_for_each_metric(settings, monkeypatch):
    table = run_collect(settings, monkeypatch)
    assert list(table.columns) == [
        "paper", "exhibit", "dataset", "protocol", "method", "seed", "metric", "value",
    ]  # fmt: skip
    assert set(table["paper"]) == {"gr"}
    assert set(table["exhibit"]) == {"main_table"}
    sizes = table.groupby(["dataset", "protocol", "method", "seed"]).size()
    assert len(sizes) == 2 * 3 * 2
    assert set(sizes) == {3 + len(CLASSES)}


def test_values_are_those_of_the_run(settings, monkeypatch):
    table = run_collect(settings, monkeypatch)
    metrics = json.loads((run_path("beta", "demo", "gr", 4) / "metrics.json").read_text())
    run = table[(table["dataset"] == "beta") & (table["method"] == "gr") & (table["seed"] == 4)]
    values = run.set_index("metric")["value"]
    assert values["test_map"] == metrics["test"]["map"]
    assert values["val_map"] == metrics["val"]["map"]
    assert values["selected_epoch"] == 2
    for name, precision in zip(CLASSES, metrics["test"]["ap"], strict=True):
        assert values[f"test_ap_{name}"] == precision


def test_metrics_of_another_dataset_are_refused(settings, monkeypatch):
    path = run_path("alpha", "demo", "an", 0) / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["test"]["ap"].append(1.0)
    path.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"metrics\.json is not as it was written"):
        run_collect(settings, monkeypatch)
    write_checksums(path)
    with pytest.raises(Exception, match="metrics of 4 classes but labels of 3"):
        run_collect(settings, monkeypatch)
