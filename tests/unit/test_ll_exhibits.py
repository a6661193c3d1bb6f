"""Tables and figures of the Large Loss paper, their numbers against independent computations."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from finished_runs import CLASSES, configuration, write_results
from scipy.stats import ttest_rel
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.data.packed import save_packed
from spml.exhibits import ll_delta_rel
from spml.exhibits.ll_examples import PICTURES, choose_pictures, first_corrections
from spml.exhibits.ll_memorisation_table import count_phases
from spml.exhibits.markdown import BEST, SECOND, parse_tables
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import (
    exhibit_path,
    labels_path,
    observed_path,
    packed_path,
    run_path,
    table_path,
)
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json, read_json_lines, write_json, write_json_lines

EPOCHS = 3


def configure(key, methods, **selection):
    """A configuration of which one exhibit shows these methods, each named with what it adds."""
    given = {"datasets": ("voc", "alpha"), "protocols": ("ll",), "seeds": (0, 1), **selection}
    config = configuration(methods=tuple(methods), **given)
    for name, definition in methods.items():
        config["methods"][name] = {"title": name, "loss": "an", **definition}
    config["exhibits"][key]["methods"] = "selected"
    return config


def make(key, config, monkeypatch):
    """Run collect and the exhibit as their rules do; return its data."""
    settings = json.dumps(json.loads(compact_json(exhibit_settings(config, key))))
    paper, name = key.split("_", 1)
    for module, *arguments in (
        ("spml.collect", "--output", str(table_path(paper, name))),
        (f"spml.exhibits.{key}", "--output-directory", str(exhibit_path(key, "").parent)),
    ):
        monkeypatch.setattr("sys.argv", [module, "--settings", settings, *arguments])
        importlib.import_module(module).main()
    return pd.read_csv(exhibit_path(key, ".csv"), dtype={"published": "str"})


def caption_of(key):
    return exhibit_path(key, ".caption.txt").read_text()


def tables_of(key):
    return parse_tables(exhibit_path(key, ".md").read_text())


def addresses(config):
    select = config["select"]
    return [
        (dataset, protocol, method, seed)
        for dataset in select["datasets"]
        for protocol in select["protocols"]
        for method in select["methods"]
        for seed in select["seeds"]
    ]


def training_labels(dataset, observation="single_positive"):
    """Truth and observed labels (N, C) of the training rows, and these rows."""
    found = load_observation(observed_path(dataset, "ll", observation))
    truth = load_labels(labels_path(dataset)).train.truth
    return truth[found.train], found.observed[found.train], found.train


# --- when labels cost most ------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {"an_recorded": {"title": "AN"}, "bce": {"loss": "bce", "observation": "full"}}
    config = configure("ll_memorisation_table", methods)
    write_results(config)
    draw = np.random.default_rng(2)
    for address in addresses(config):
        count = len(training_labels(address[0])[0])
        logits = draw.normal(-1, 3, (EPOCHS, count, len(CLASSES)))
        np.save(run_path(*address) / "entries.npy", np.log1p(np.exp(logits)).astype(np.float16))
        np.save(run_path(*address) / "logits.npy", logits)
    return config


def test_phases_are_those_in_which_exact_costs_are_highest(recorded, monkeypatch):
    data = make("ll_memorisation_table", recorded, monkeypatch)
    for dataset in ("voc", "alpha"):
        truth, observed, _ = training_labels(dataset)
        kinds = {
            "true_positives": observed == 1,
            "true_negatives": (observed == 0) & ~truth,
            "false_negatives": (observed == 0) & truth,
        }
        for kind, mask in kinds.items():
            shares = []
            for seed in (0, 1):
                z = np.load(run_path(dataset, "ll", "an_recorded", seed) / "logits.npy")
                p = 1 / (1 + np.exp(-z))
                cost = -np.log(p) if kind == "true_positives" else -np.log(1 - p)
                shares.append(100 * (cost.argmax(axis=0)[mask] == 0).mean())
            here = data[
                (data["dataset"] == dataset)
                & (data["method"] == "an_recorded")
                & (data["entries"] == kind)
            ].set_index("phase")
            assert (here["tied"] < 2).all()
            slack = here["tied"].max() + 1e-6
            assert here.loc["warmup", "share_mean"] == pytest.approx(np.mean(shares), abs=slack)
            assert here["share_mean"].sum() == pytest.approx(100)
            assert here.loc["regular", "labels"] == mask.sum()


def test_published_shares_stand_beside_ours_with_the_misprint_as_it_is(recorded, monkeypatch):
    data = make("ll_memorisation_table", recorded, monkeypatch)
    tables = {table.title: table for table in tables_of("ll_memorisation_table")}
    assert list(tables) == ["Voc: AN", "Voc: bce", "Alpha: AN", "Alpha: bce"]
    rows = {row[0]: row for row in tables["Voc: AN"].rows}
    assert [rows["False negatives"][column] for column in (3, 6)] == [
        "23.8 (primary)", "72.2 (primary)",
    ]  # fmt: skip
    cell = data[(data["entries"] == "false_negatives") & (data["phase"] == "warmup")].iloc[0]
    assert rows["False negatives"][4].replace("−", "-") == f"{cell['share_mean'] - 23.8:+.1f}"
    assert all(row[3:5] == ["", ""] for row in tables["Alpha: AN"].rows)
    text = caption_of("ll_memorisation_table")
    assert "the two phases sum to 96.0, so one of them is a misprint" in text
    assert "Empty cells: no published value available." in text


def test_labels_that_training_does_not_have_are_dashes_with_a_reason(recorded, monkeypatch):
    make("ll_memorisation_table", recorded, monkeypatch)
    table = next(t for t in tables_of("ll_memorisation_table") if t.title == "Voc: bce")
    rows = {row[0]: row for row in table.rows}
    assert rows["True positives"][1] != "0"
    assert rows["False negatives"][1:3] == ["0", "–"]
    assert "–: training sees no such label." in caption_of("ll_memorisation_table")


def test_ties_count_as_warmup_and_are_counted():
    entries = np.array([[[1.0, 2.0, 0.5]], [[1.0, 3.0, 0.5]]], dtype=np.float16)
    mask = np.ones((1, 3), dtype=bool)
    found = count_phases(entries, {"true_negatives": mask, "true_positives": mask})
    assert found["true_negatives"] == {"labels": 3, "warmup": 2, "ties": 2}
    assert found["true_positives"] == {"labels": 3, "warmup": 3, "ties": 2}
    only = count_phases(entries[:1], {"true_negatives": mask})
    assert only["true_negatives"] == {"labels": 3, "warmup": 3, "ties": 0}


def test_damaged_record_is_a_sentence(recorded, monkeypatch):
    (run_path("voc", "ll", "an_recorded", 0) / "entries.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match=r"entries\.npy cannot be read .* it is made anew"):
        make("ll_memorisation_table", recorded, monkeypatch)


# --- precision of corrections ---------------------------------------------------------------------


@pytest.fixture
def modifying(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {"ll_r": {"loss": "ll_r"}, "bolder": {"title": "LL-Cp", "loss": "ll_cp"}}
    config = configure("ll_corrections", methods)
    write_results(config)
    draw = np.random.default_rng(8)
    for address in addresses(config):
        path = run_path(*address) / "history.jsonl"
        history = read_json_lines(path)
        for record in history:
            right, wrong = draw.integers(1, 5, 2).tolist() if record["epoch"] > 1 else (0, 0)
            record["modified"] = {"entries": right + wrong, "false_negatives": right}
        write_json_lines(path, history)
    return config


def test_precision_and_recall_follow_from_the_records(modifying, monkeypatch):
    data = make("ll_corrections", modifying, monkeypatch)
    for dataset in ("voc", "alpha"):
        truth, observed, _ = training_labels(dataset)
        unobserved = observed == 0
        for method in ("ll_r", "bolder"):
            for seed in (0, 1):
                history = read_json_lines(run_path(dataset, "ll", method, seed) / "history.jsonl")
                entries = [record["modified"]["entries"] for record in history]
                right = [record["modified"]["false_negatives"] for record in history]
                if method == "bolder":  # by its loss: corrected for good
                    entries, right = np.cumsum(entries), np.cumsum(right)
                here = data[
                    (data["dataset"] == dataset)
                    & (data["method"] == method)
                    & (data["seed"] == seed)
                ]
                assert here["entries"].tolist() == list(entries)
                assert here["precision"].isna().tolist() == [True, False, False]
                expected = [100 * right[epoch] / entries[epoch] for epoch in (1, 2)]
                assert here["precision"].tolist()[1:] == pytest.approx(expected)
                recall = 100 * np.array(right) / (unobserved & truth).sum()
                assert here["recall"].tolist() == pytest.approx(recall.tolist())
                modified = 100 * np.array(entries) / unobserved.sum()
                assert here["modified"].tolist() == pytest.approx(modified.tolist())
                base_rate = 100 * truth[unobserved].mean()
                assert here["base_rate"].iloc[0] == pytest.approx(base_rate)
                rate = f"{base_rate:.1f} % for {dataset.title()}"
                assert rate in caption_of("ll_corrections")


def test_methods_that_modify_nothing_are_refused(modifying, monkeypatch):
    path = run_path("voc", "ll", "ll_r", 0) / "history.jsonl"
    write_json_lines(path, [record | {"modified": None} for record in read_json_lines(path)])
    with pytest.raises(UserError, match="ll_r neither rejects nor corrects labels; leave it out"):
        make("ll_corrections", modifying, monkeypatch)


def test_corrections_that_do_not_all_stay_are_refused(modifying, monkeypatch):
    modifying["methods"]["bolder"]["hyperparameters"] = {"strict": True}
    path = run_path("voc", "ll", "bolder", 0) / "run.json"
    record = read_json(path)
    record["settings"]["hyperparameters"] = {"strict": True}
    write_json(path, record)
    with pytest.raises(UserError, match="LL-Cp keeps some of its corrections, and its record does"):
        make("ll_corrections", modifying, monkeypatch)


# --- delta_rel ------------------------------------------------------------------------------------


def test_points_lie_at_what_the_runs_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    swept = {
        f"point_{value}": {"title": f"LL-R, {value} %", "hyperparameters": {"delta_rel": value}}
        for value in (0.4, 0.1)
    }
    config = configure("ll_delta_rel", {"an": {"title": "AN"}, **swept})
    write_results(config)
    path = run_path("voc", "ll", "point_0.4", 0) / "run.json"
    record = read_json(path)
    record["settings"]["hyperparameters"]["delta_rel"] = 0.3
    write_json(path, record)
    data = make("ll_delta_rel", config, monkeypatch).set_index(["dataset", "method"])
    assert data.loc[("voc", "point_0.4"), "delta_rel"] == 0.3
    assert data.loc[("alpha", "point_0.4"), "delta_rel"] == 0.4
    assert np.isnan(data.loc[("voc", "an"), "delta_rel"])
    assert set(data["curve"]) == {"AN", "LL-R"}
    maps = [
        read_json(run_path("voc", "ll", "point_0.1", seed) / "metrics.json")["test"]["map"]
        for seed in (0, 1)
    ]
    mean, low, high = data.loc[("voc", "point_0.1"), ["mean", "low", "high"]]
    assert mean == pytest.approx(np.mean(maps))
    # Of two seeds, with one degree of freedom: wider than from the one to the other.
    assert low < min(maps)
    assert high > max(maps)
    text = caption_of("ll_delta_rel")
    assert "Dotted: AN, which all are where Δrel is 0, so that each line begins there." in text
    figure = ll_delta_rel.draw(data.reset_index(), exhibit_settings(config, "ll_delta_rel"))
    for axes, dataset in zip(figure.axes, ("voc", "alpha"), strict=True):
        curve, _ = axes.get_lines()
        start = data.loc[(dataset, "an"), "mean"]
        swept = data.loc[dataset].dropna(subset="delta_rel").sort_values("delta_rel")
        assert list(curve.get_xdata()) == [0, *swept["delta_rel"]]
        assert list(curve.get_ydata()) == [start, *swept["mean"]]
    assert "The curves of the paper were not found by us." in text
    assert "of LL-R against" in text


# --- labelling efficiency -------------------------------------------------------------------------


@pytest.fixture
def thinned_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {
        "an": {"title": "AN"},
        "an_50_percent": {"title": "AN, 50 % of images", "observation": "half"},
        "bce": {"title": "Full", "observation": "full"},
    }
    config = configure("ll_labelling_efficiency", methods, datasets=("coco", "alpha"))
    config["observations"]["half"] = {
        **config["observations"]["single_positive"], "fraction": 0.5,
    }  # fmt: skip
    write_results(config)
    return config


def test_labels_are_counted_and_published_points_stand_beside(thinned_out, monkeypatch):
    data = make("ll_labelling_efficiency", thinned_out, monkeypatch)
    ours = data[data["seeds"] > 0].set_index(["dataset", "method", "percent"])
    for (dataset, method, percent), row in ours.iterrows():
        images = 40 * percent / 100
        assert row["images"] == images
        assert row["labels"] == images * (len(CLASSES) if method == "bce" else 1)
        suffix = "_50_percent" if percent == 50 else ""
        maps = [
            read_json(run_path(dataset, "ll", method + suffix, seed) / "metrics.json")["test"][
                "map"
            ]
            for seed in (0, 1)
        ]
        assert row["mean"] == pytest.approx(np.mean(maps))
        # Two runs of equal scores, as where all are ranked rightly, leave no width.
        assert (row["low"] < row["high"]) == (min(maps) < 100)
        assert row["low"] <= row["mean"] <= row["high"]
        if method == "an":
            assert np.isnan(row["difference"])
        elif percent == 100:
            other = ours.loc[(dataset, "an", 100), "mean"]
            assert row["difference"] == pytest.approx(row["mean"] - other)
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert ours.loc[("coco", "an", 50), "published"] == "58.6"
    difference = ours.loc[("coco", "an", 50), "mean"] - 58.6
    assert ours.loc[("coco", "an", 50), "published_difference"] == pytest.approx(difference)
    # Published, but not run: at its share of what the run with all images saw.
    only = data[data["seeds"] == 0].set_index(["dataset", "method", "percent"])
    assert set(only.reset_index()["dataset"]) == {"coco"}
    assert only.loc[("coco", "bce", 10), ["images", "labels"]].tolist() == [4, 4 * len(CLASSES)]
    assert only.loc[("coco", "bce", 10), "published"] == "60.6"
    text = caption_of("ll_labelling_efficiency")
    assert "Open markers: published, digitised (read off a figure)." in text
    assert "the table of artificial partial labels says 78.0" in text


def test_labelling_efficiency_without_published_points(thinned_out, monkeypatch):
    thinned_out["select"]["datasets"] = ["alpha"]
    data = make("ll_labelling_efficiency", thinned_out, monkeypatch)
    assert len(data) == 3
    assert "ublished" not in caption_of("ll_labelling_efficiency")


# --- pointing game --------------------------------------------------------------------------------


def test_pointing_game_shows_means_over_seeds_beside_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {name: {"title": name.upper()} for name in ("an", "wan", "other")}
    config = configure("ll_pointing_game", methods)
    write_results(config)
    for position, address in enumerate(addresses(config)):
        content = {
            "hits": 1, "pairs": 123, "accuracy": 70.0 + position, "class_mean": 60.0,
            "image_hits": [2, 0, 1, 1], "image_pairs": [2, 1, 1, 2],
        }  # fmt: skip
        write_json(run_path(*address) / "pointing.json", content)
    data = make("ll_pointing_game", config, monkeypatch).set_index(["dataset", "method"])
    assert data.loc[("voc", "wan"), "accuracy_mean"] == pytest.approx(72.5)
    assert data.loc[("voc", "wan"), "accuracy_std"] == pytest.approx(0.5**0.5)
    voc, alpha = tables_of("ll_pointing_game")
    assert (voc.title, alpha.title) == ("Voc", "Alpha")
    rows = {row[0]: row for row in voc.rows}
    assert rows["WAN"][1] == "72.5 ± 0.7"
    assert rows["WAN"][3:5] == ["79.8 (primary)", "−7.3"]
    assert rows["OTHER"][3:5] == ["", ""]
    wan = data.loc[("voc", "wan")]
    assert rows["WAN"][2] == f"{wan['accuracy_low']:.1f} to {wan['accuracy_high']:.1f}"
    # All methods hit on the same images here, so that the difference is one of seeds alone.
    assert wan[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(
        [2] * 3
    )
    assert voc.marks[2, 1] == BEST
    assert voc.marks[1, 1] == SECOND
    text = caption_of("ll_pointing_game")
    assert "123 pairs on Voc; 123 pairs on Alpha" in text
    assert "Empty cells: no published value available." in text


# --- pictures -------------------------------------------------------------------------------------


def test_first_corrections_are_the_first_bits_that_are_set():
    modified = np.random.default_rng(4).random((5, 20, 11)) < 0.2
    first = first_corrections(np.packbits(modified, axis=2), 11)
    for row, column in np.ndindex(20, 11):
        epochs = np.flatnonzero(modified[:, row, column])
        assert first[row, column] == (epochs[0] + 1 if len(epochs) else 0)


def test_pictures_are_the_first_with_a_correction_and_the_first_other_wrong_one():
    first = np.zeros((30, 2), dtype=np.int16)
    truth = np.zeros((30, 2), dtype=bool)
    first[3:25, 0], truth[3:25, 0] = 2, True
    first[[4, 20, 22], 1] = 3
    assert choose_pictures(first, truth).tolist() == [*range(3, 3 + PICTURES - 1), 20]
    truth[:] = True
    assert choose_pictures(first, truth).tolist() == [*range(3, 3 + PICTURES)]
    assert choose_pictures(first[:5], truth[:5]).tolist() == [3, 4]
    assert not len(choose_pictures(first[:3], truth[:3]))


@pytest.fixture
def pictured(tmp_path, monkeypatch):
    """Runs that corrected labels of grey pictures and of coloured ones."""
    monkeypatch.chdir(tmp_path)
    config = configure("ll_examples", {"ll_ct_recorded": {"title": "LL-Ct"}}, seeds=(0,))
    write_results(config)
    draw = np.random.default_rng(1)
    for dataset, channels in (("voc", 3), ("alpha", 1)):
        images = draw.integers(0, 256, (60, 12, 12, channels)).astype(np.uint8)
        save_packed(packed_path(dataset), {"train": images, "test": images})
        _, observed, _ = training_labels(dataset)
        modified = (draw.random((EPOCHS, *observed.shape)) < 0.1) & (observed == 0)
        modified[0] = False
        np.save(
            run_path(dataset, "ll", "ll_ct_recorded", 0) / "modified.npy",
            np.packbits(modified, axis=2),
        )
    return config


def test_examples_say_what_was_corrected_when_and_whether_rightly(pictured, monkeypatch):
    data = make("ll_examples", pictured, monkeypatch)
    assert data.groupby("dataset")["row"].nunique().to_dict() == {"voc": 8, "alpha": 8}
    for dataset in ("voc", "alpha"):
        truth, observed, rows = training_labels(dataset)
        packed = np.load(run_path(dataset, "ll", "ll_ct_recorded", 0) / "modified.npy")
        modified = np.unpackbits(packed, axis=2, count=len(CLASSES)).astype(bool)
        here = data[data["dataset"] == dataset]
        for item in here.itertuples():
            place, column = rows.tolist().index(item.row), CLASSES.index(item.label)
            assert modified[item.epoch - 1, place, column]
            assert not modified[: item.epoch - 1, place, column].any()
            assert item.right == truth[place, column]
            assert item.observed == CLASSES[observed[place].argmax()]
            assert item.image == f"{item.row}.png"
        ever = modified.any(axis=0)
        right = (ever & truth).sum()
        assert f"{right} of {ever.sum()} by LL-Ct on {dataset.title()}" in caption_of("ll_examples")


def test_run_that_corrected_nothing_is_a_sentence(pictured, monkeypatch):
    path = run_path("voc", "ll", "ll_ct_recorded", 0) / "modified.npy"
    np.save(path, np.zeros_like(np.load(path)))
    with pytest.raises(UserError, match="LL-Ct on Voc corrected no label: none to show"):
        make("ll_examples", pictured, monkeypatch)


# --- the curve of memorisation --------------------------------------------------------------------


def test_published_points_of_the_curve_are_shown_where_there_are_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configure("ll_memorisation_curve", {"an": {"title": "AN"}})
    write_results(config)
    data = make("ll_memorisation_curve", config, monkeypatch)
    points = data.dropna(subset="published")
    assert set(points["dataset"]) == {"voc"}
    found = {
        (row.entries, row.iteration, float(row.published)) for row in points.itertuples()
    }  # fmt: skip
    assert found == {
        ("true_negatives", 200, 0.088),
        ("true_negatives", 900, 0.01),
        ("false_negatives", 200, 0.025),
        ("false_negatives", 1450, 0.12),
        ("false_negatives", 2850, 0.01),
    }
    text = caption_of("ll_memorisation_curve")
    assert "Open markers on Voc: " in text
    assert "those of one true and one false negative, not means" in text


def test_curve_without_published_points_does_not_speak_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configure("ll_memorisation_curve", {"an": {"title": "AN"}}, datasets=("alpha",))
    write_results(config)
    data = make("ll_memorisation_curve", config, monkeypatch)
    assert "published" not in data
    assert "ublished" not in caption_of("ll_memorisation_curve")


# --- other draws of the labels --------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {
        "an": {"title": "AN"},
        "an_draw_b": {"title": "AN, draw b", "observation": "other"},
        "gr": {"title": "GR Loss"},
        "gr_draw_b": {"title": "GR Loss, draw b", "observation": "other"},
    }
    config = configure("extra_draws", methods, datasets=("alpha",))
    config["observations"]["other"] = {**config["observations"]["single_positive"], "seed": 4}
    write_results(config)
    return config


def test_draws_are_observations_whose_means_are_compared_draw_by_draw(drawn, monkeypatch):
    data = make("extra_draws", drawn, monkeypatch).set_index(["method", "draw"])

    def mean(method):
        runs = [run_path("alpha", "ll", method, seed) / "metrics.json" for seed in (0, 1)]
        return np.mean([read_json(path)["test"]["map"] for path in runs])

    means = {name: mean(name) for name in ("an", "an_draw_b", "gr", "gr_draw_b")}
    assert data.loc[("gr", "b"), "map_mean"] == pytest.approx(means["gr_draw_b"])
    assert data.loc[("gr", "b"), "observation"] == "other"
    assert data.loc[("gr", "a"), "draw_mean"] == pytest.approx(
        (means["gr"] + means["gr_draw_b"]) / 2
    )
    spread = abs(means["gr"] - means["gr_draw_b"]) / 2**0.5
    assert data.loc[("gr", "a"), "draw_std"] == pytest.approx(spread)
    pairs = [means["gr"] - means["an"], means["gr_draw_b"] - means["an_draw_b"]]
    assert data.loc[("gr", "a"), "difference"] == pytest.approx(np.mean(pairs))
    alone = ttest_rel(pairs, [0, 0]).confidence_interval(0.95)
    assert data.loc[("gr", "a"), "difference_low"] < alone.low
    [table] = tables_of("extra_draws")
    assert [row[0] for row in table.rows] == ["AN", "GR Loss"]
    assert table.rows[1][1:3] == [f"{means[name]:.1f}" for name in ("gr", "gr_draw_b")]
    assert table.rows[0][-2:] == ["–", "–"]
    text = caption_of("extra_draws")
    assert "under 2 draws of the observed labels (a and b; a is that of all other" in text
    assert "over draws (Student's t with 1 degree of freedom) and test images" in text


def test_methods_that_lack_a_draw_are_a_sentence(drawn, monkeypatch):
    drawn["exhibits"]["extra_draws"]["methods"] = ["an", "gr", "gr_draw_b"]
    with pytest.raises(UserError, match="extra_draws needs each of its methods on the same two"):
        make("extra_draws", drawn, monkeypatch)


# --- what runs cost -------------------------------------------------------------------------------


def test_the_least_time_counts_and_time_of_the_processor_where_it_was_recorded(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = configure(
        "extra_cost", {"an": {"title": "AN"}, "gr": {"title": "GR"}}, datasets=("alpha",)
    )
    write_results(config)
    times = {("an", 0): 12.0, ("an", 1): 5.0, ("gr", 0): 6.0, ("gr", 1): 7.0}
    for (method, seed), seconds in times.items():
        path = run_path("alpha", "ll", method, seed) / "run.json"
        record = read_json(path) | {
            "seconds": 2 * seconds, "training_seconds": seconds,
            "images_per_second": 600 / seconds, "peak_host_memory_mb": 500,
        }  # fmt: skip
        if method == "gr":
            record["processor_seconds"] = seconds - 1.5
        write_json(path, record)
    make("extra_cost", config, monkeypatch)
    [table] = tables_of("extra_cost")
    assert list(table.header) == [
        "Method", "Runs", "Training, least (s)", "Processor, least (s)", "Images per second, most",
        "Peak host memory (MB)",
    ]  # fmt: skip
    assert table.rows == [
        ["AN", "2", "5.0", "–", "120", "500"],
        ["GR", "2", "6.0", "4.5", "100", "500"],
    ]
    assert "time of the processor, that of all threads" in caption_of("extra_cost")
