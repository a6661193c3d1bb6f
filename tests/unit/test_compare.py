"""Differences between methods: what is kept of them, and what is made of them."""

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
from spml.measures.statistics import load_resampled
from spml.planning.configuration import compact_json
from spml.planning.shown import compared_pairs, shown_exhibits
from spml.planning.stage_settings import comparison_settings, exhibit_settings
from spml.plumbing.addresses import comparison_path, exhibit_path, labels_path, run_path
from spml.plumbing.checksums import verified, write_checksums
from spml.plumbing.errors import UserError

KEY = "gr_main_table"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration()
    config["select"]["exhibits"].append("extra_significance")
    write_results(config)
    return config


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


def test_comparison_of_another_version_is_named(config):
    write_kept(KEY, ["an", "gr"], [[70.0], [90.0]], 1.0)
    path = comparison_path(KEY, dataset="alpha", protocol="demo", suffix=".npz")
    arrays = dict(np.load(path))
    del arrays["influence"]
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=r"npz has no influence, since another version .* delete"):
        load_resampled(path)


def test_a_method_against_itself_differs_by_nothing(config, monkeypatch):
    [row] = run_compare(config, monkeypatch, methods=["an"]).to_dict("records")
    assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)
    assert (row["p"], row["corrected_p"]) == (1, 1)
    assert not row["p_at_most"]


def test_of_one_seed_differences_are_over_images_alone(config, monkeypatch):
    table = run_compare(config, monkeypatch, seeds=[1]).set_index("method")
    kept = load_resampled(comparison_path(KEY, dataset="alpha", protocol="demo", suffix=".npz"))
    _, deviations = kept.combined(("gr", 1), ("an", -1))
    row = table.loc["gr"]
    ends = row["difference"] + np.quantile(deviations, [0.025, 0.975])
    assert row[["difference_low", "difference_high"]].to_list() == pytest.approx(ends, abs=0.1)


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


def test_matrix_compares_every_two_methods_once(config, monkeypatch):
    write_comparisons(config, KEY)
    make_significance(config, monkeypatch)
    data = pd.read_csv(exhibit_path("extra_significance", ".csv"))
    kept = load_resampled(comparison_path(KEY, dataset="alpha", protocol="demo", suffix=".npz"))
    assert {frozenset(pair) for pair in data[["method", "other"]].to_numpy().tolist()} == {
        frozenset(pair) for pair in (("an", "bce"), ("an", "gr"), ("bce", "gr"))
    }
    for row in data.to_dict("records"):
        difference, _, _ = kept.difference(row["method"], row["other"])
        assert row["difference"] == pytest.approx(difference)
        assert row["difference"] >= 0
        assert row["p"] == pytest.approx(kept.p(row["method"], row["other"]))
    assert data["corrected_p"].to_list() == pytest.approx(list(false_discovery_control(data["p"])))
    [shown] = parse_tables(exhibit_path("extra_significance", ".md").read_text())
    assert shown.title == "Main comparison, Alpha"
    assert list(shown.header) == ["Method", "mAP (%)", "1", "2", "3"]
    means = [float(row[1]) for row in shown.rows]
    assert means == sorted(means, reverse=True)
    cell = data.iloc[0]
    assert shown.rows[0][3] == f"{cell['difference']:+.1f}"
    assert shown.rows[1][2].removeprefix("≤ ") == f"{cell['corrected_p']:.3f}"
    assert ((0, 3) in shown.marks) == cell["differs"]
    caption = exhibit_path("extra_significance", ".caption.txt").read_text()
    assert "over seeds and test images (3 seeds a method, 1000 resamples of the images)" in caption
    assert f"{data['differs'].sum()} of 3 pairs differ" in caption


def write_kept(key, methods, seed_map, spread):
    """What a comparison of made-up methods leaves."""
    path = comparison_path(key, dataset="alpha", protocol="demo", suffix=".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(3).normal(size=(len(methods), 999)) * spread
    resampled = np.mean(seed_map, axis=1)[:, None] + noise
    np.savez(
        path,
        methods=np.array(methods),
        seed_map=np.array(seed_map),
        resampled=resampled,
        influence=spread * np.eye(len(methods)),
    )
    write_checksums(path)


def test_p_at_the_floor_is_printed_as_a_bound_and_exhibits_share_a_matrix(config, monkeypatch):
    """Of one seed: nothing but resampled images. A method of both exhibits is shown once."""
    other = "ll_partial_labels"
    config["select"]["exhibits"].append(other)
    config["exhibits"][other]["methods"] = ["an", "bce"]
    for key in (KEY, other):
        config["exhibits"][key]["seeds"] = [0]
    write_kept(KEY, ["an", "gr"], [[70.0], [90.0]], 1.0)
    write_kept(other, ["an", "bce"], [[70.0], [70.5]], 1.0)
    make_significance(config, monkeypatch)
    data = pd.read_csv(exhibit_path("extra_significance", ".csv")).set_index(["method", "other"])
    assert data["p_at_most"].to_dict() == {
        ("gr", "bce"): True, ("gr", "an"): True, ("bce", "an"): False,
    }  # fmt: skip
    assert data.loc[("gr", "an"), "p"] == pytest.approx(2 / 1000)
    [shown] = parse_tables(exhibit_path("extra_significance", ".md").read_text())
    assert shown.title == "Main comparison and Artificial partial labels, Alpha"
    assert [row[2] for row in shown.rows] == ["–", "≤ 0.003", "≤ 0.003"]
    assert not shown.rows[2][3].startswith("≤")
    caption = exhibit_path("extra_significance", ".caption.txt").read_text()
    assert "≤: less than one resample lies beyond zero." in caption
    assert "over test images alone (1 seed a method" in caption


def test_exhibits_of_other_seeds_have_matrices_of_their_own(config, monkeypatch):
    other = "ll_partial_labels"
    config["select"]["exhibits"].append(other)
    config["exhibits"][other]["methods"] = ["an", "bce"]
    config["exhibits"][other]["seeds"] = [0]
    write_kept(KEY, ["an", "gr"], [[70.0, 71.0, 72.0], [90.0, 91.0, 92.5]], 1.0)
    write_kept(other, ["an", "bce"], [[70.0], [70.5]], 1.0)
    make_significance(config, monkeypatch)
    tables = parse_tables(exhibit_path("extra_significance", ".md").read_text())
    assert [table.title for table in tables] == [
        "Main comparison, Alpha", "Artificial partial labels, Alpha",
    ]  # fmt: skip


def test_significance_is_left_out_where_no_exhibit_that_compares_is_shown(config):
    assert "extra_significance" in shown_exhibits(config)
    config["select"]["exhibits"].remove(KEY)
    assert "extra_significance" not in shown_exhibits(config)


@pytest.mark.parametrize("methods", [["bce", "gr"], ["an"]], ids=["no reference", "nothing else"])
def test_significance_is_left_out_where_there_is_nothing_to_compare(config, methods):
    config["select"]["methods"] = methods
    assert compared_pairs(config, KEY) == []
    assert "extra_significance" not in shown_exhibits(config)
