"""Differences to a reference: against the bootstrap done by hand, and what is made of them."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration, write_comparisons, write_results
from scipy.sparse import csr_array
from scipy.stats import false_discovery_control
from spml import compare
from spml.data.labels import load_labels, save_labels
from spml.exhibits.markdown import parse_tables
from spml.measures.statistics import load_resampled, two_sided_p
from spml.planning.configuration import (
    compact_json,
    compared_pairs,
    comparison_settings,
    exhibit_settings,
    shown_exhibits,
)
from spml.plumbing.addresses import comparison_path, exhibit_path, labels_path, run_path
from spml.plumbing.checksums import verified, write_checksums

KEY = "gr_main_table"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration()
    config["select"]["exhibits"].append("extra_significance")
    write_results(config)
    return config


def test_p_counts_resamples_on_the_other_side_of_zero():
    assert two_sided_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 * 1 / 4)
    assert two_sided_p(np.array([-1.0, 2.0, 3.0, 4.0] * 10)) == pytest.approx(2 * 11 / 41)
    assert two_sided_p(-np.array([-1.0, 2.0, 3.0, 4.0] * 10)) == pytest.approx(2 * 11 / 41)
    assert two_sided_p(np.zeros(5)) == 1.0


def test_p_of_a_true_null_is_uniform():
    """Of means of noise without a shift, about a tenth has p below 0.1."""
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 60))
    draws = random.integers(60, size=(400, 500, 60))
    found = [two_sided_p(row[draw].mean(axis=1)) for row, draw in zip(values, draws, strict=True)]
    assert 0.06 < np.mean(np.array(found) < 0.1) < 0.16


def run_compare(config, monkeypatch, **changes):
    """Run the command as its rule does; return its table."""
    settings = comparison_settings(config, KEY, "alpha", "demo") | changes
    place = {"dataset": "alpha", "protocol": "demo"}
    paths = [comparison_path(KEY, **place, suffix=suffix) for suffix in (".csv", ".npz")]
    arguments = ["--output", str(paths[0]), "--resamples", str(paths[1])]
    monkeypatch.setattr("sys.argv", ["compare", "--settings", json.dumps(settings), *arguments])
    compare.main()
    verified(paths[1])
    return pd.read_csv(verified(paths[0]))


def test_differences_are_those_of_the_metrics_and_corrected_together(config, monkeypatch):
    table = run_compare(config, monkeypatch).set_index("method")
    assert list(table.index) == ["bce", "gr"]
    means = {
        method: np.mean(
            [
                json.loads((run_path("alpha", "demo", method, seed) / "metrics.json").read_text())[
                    "test"
                ]["map"]
                for seed in (0, 1, 2)
            ]
        )
        for method in ("bce", "an", "gr")
    }
    for method, row in table.iterrows():
        assert row["difference"] == pytest.approx(means[method] - means["an"])
        assert row["difference_low"] < row["difference"] < row["difference_high"]
    expected = false_discovery_control(table["p"].to_numpy())
    assert table["corrected_p"].to_list() == pytest.approx(list(expected))


def test_any_two_methods_can_be_compared_from_what_is_kept(config, monkeypatch):
    table = run_compare(config, monkeypatch).set_index("method")
    path = comparison_path(KEY, dataset="alpha", protocol="demo", suffix=".npz")
    kept = load_resampled(path)
    assert kept.methods == ("an", "bce", "gr")
    columns = ["difference", "difference_low", "difference_high"]
    assert kept.difference("gr", "an") == pytest.approx(tuple(table.loc["gr", columns]))
    other = run_compare(config, monkeypatch, reference="bce", methods=["gr"]).iloc[0]
    assert kept.difference("gr", "bce") == pytest.approx(tuple(other[columns]))


def test_a_method_against_itself_differs_by_nothing(config, monkeypatch):
    [row] = run_compare(config, monkeypatch, methods=["an"]).to_dict("records")
    assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)
    assert (row["p"], row["corrected_p"]) == (1, 1)


def test_nothing_is_compared_without_the_reference(config):
    config["select"]["methods"] = ["bce", "gr"]
    assert compared_pairs(config, KEY) == []


def test_labels_in_a_sparse_matrix_without_gaps_are_compared_alike(config, monkeypatch):
    dense = run_compare(config, monkeypatch)
    labels = load_labels(labels_path("alpha"))
    truth = csr_array(labels.test.truth)
    test = replace(labels.test, truth=truth, annotated=csr_array(np.ones(truth.shape, dtype=bool)))
    save_labels(labels_path("alpha"), replace(labels, test=test))
    pd.testing.assert_frame_equal(run_compare(config, monkeypatch), dense)


def make_significance(config, monkeypatch):
    settings = compact_json(exhibit_settings(config, "extra_significance"))
    directory = str(exhibit_path("extra_significance", "").parent)
    arguments = ["extra_significance", "--settings", settings, "--output-directory", directory]
    monkeypatch.setattr("sys.argv", arguments)
    importlib.import_module("spml.exhibits.extra_significance").main()


def test_significance_shows_every_comparison_and_its_verdict(config, monkeypatch):
    write_comparisons(config, KEY)
    path = comparison_path(KEY, dataset="alpha", protocol="demo")
    table = pd.read_csv(path)
    table["corrected_p"], table["difference"] = [0.049, 0.051], [-3.0, 4.0]
    table.to_csv(path, index=False)
    write_checksums(path)
    make_significance(config, monkeypatch)
    [shown] = parse_tables(exhibit_path("extra_significance", ".md").read_text())
    assert shown.title == "Main comparison, Alpha"
    assert [(row[0], row[1], row[-1]) for row in shown.rows] == [
        ("GR_1 <x>", "+4.0", "not told apart"),
        ("Full labels", "\N{MINUS SIGN}3.0", "lower"),
    ]
    caption = exhibit_path("extra_significance", ".caption.txt").read_text()
    assert "3 seeds a method" in caption
    assert "1000 resamples" in caption
    table["seeds"] = 1
    table.to_csv(path, index=False)
    write_checksums(path)
    make_significance(config, monkeypatch)
    caption = exhibit_path("extra_significance", ".caption.txt").read_text()
    assert "(1 seed a method)" in caption


def test_significance_is_left_out_where_no_exhibit_that_compares_is_shown(config):
    assert "extra_significance" in shown_exhibits(config)
    config["select"]["exhibits"].remove(KEY)
    assert "extra_significance" not in shown_exhibits(config)


@pytest.mark.parametrize("methods", [["bce", "gr"], ["an"]], ids=["no reference", "nothing else"])
def test_significance_is_left_out_where_there_is_nothing_to_compare(config, methods):
    config["select"]["methods"] = methods
    assert compared_pairs(config, KEY) == []
    assert "extra_significance" not in shown_exhibits(config)
