"""Each exhibit through its command, its numbers against independent computations."""

import importlib
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from finished_runs import (
    CLASSES,
    EPOCHS,
    EXHIBITS,
    STEPS_PER_EPOCH,
    configuration,
    write_comparisons,
    write_results,
)
from matplotlib.text import Text
from printed import page_inches, text_sizes
from requirements_closure import stages
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from spml import collect
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits import settings as phrases
from spml.exhibits import style
from spml.exhibits.gr_false_negative_rate import ideal_rate, trained_rate
from spml.exhibits.latex import format_latex
from spml.exhibits.ll_memorisation_curve import smooth
from spml.exhibits.markdown import (
    BEST,
    SECOND,
    Formulas,
    Table,
    column_kinds,
    format_tables,
    parse_tables,
)
from spml.exhibits.style import (
    COLUMN_WIDTH,
    SETTINGS,
    SMALL,
    TEXT_WIDTH,
    add_legend,
    name_rows,
    new_panels,
    set_title,
    style_context,
)
from spml.exhibits.tables import format_interval, format_mean, format_number, rank_marks
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_observations, exhibit_settings
from spml.plumbing.addresses import exhibit_path, labels_path, observed_path, run_path, table_path
from spml.plumbing.errors import UserError

ROOT = Path(__file__).parents[2]
FIGURES = [key for key in EXHIBITS if key != "gr_main_table"]


def run_main(module, arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", [module.__name__, *arguments])
    module.main()


def make(key, config, monkeypatch):
    """Run the command of an exhibit as its rule does; return its data."""
    settings = json.loads(compact_json(exhibit_settings(config, key)))
    if key == "gr_main_table":
        output = str(table_path(settings["paper"], settings["name"]))
        run_main(collect, ["--settings", json.dumps(settings), "--output", output], monkeypatch)
        write_comparisons(config, key)
    module = importlib.import_module(f"spml.exhibits.{key}")
    directory = str(exhibit_path(key, "").parent)
    run_main(
        module,
        ["--settings", json.dumps(settings), "--output-directory", directory],
        monkeypatch,
    )
    return pd.read_csv(exhibit_path(key, ".csv"))


def read_caption(key):
    return exhibit_path(key, ".caption.txt").read_text()


@pytest.fixture
def config(tmp_path, monkeypatch):
    """One dataset, finished; the working directory is its own."""
    monkeypatch.chdir(tmp_path)
    config = configuration()
    write_results(config)
    return config


@pytest.fixture(scope="module")
def wide_exhibits(tmp_path_factory):
    """A function that gives the data of an exhibit of two datasets under two protocols, one seed.

    Each is made once; the working directory is to be the folder that comes with it.
    """
    folder = tmp_path_factory.mktemp("wide")
    config = configuration(datasets=("alpha", "beta"), protocols=("demo", "long"), seeds=(7,))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_results(config)

    @cache
    def made(key):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return make(key, config, patch)

    return folder, made


@pytest.fixture
def wide(wide_exhibits, monkeypatch):
    folder, made = wide_exhibits
    monkeypatch.chdir(folder)
    return made


def test_every_exhibit_that_is_defined_has_a_module_and_a_rule():
    defined = yaml.safe_load((ROOT / "config/exhibits.yaml").read_text())["exhibits"]
    rules = {stage.rule for stage in stages() if stage.module.startswith("spml.exhibits.")}
    assert rules == set(defined)
    for key in defined:
        assert importlib.util.find_spec(f"spml.exhibits.{key}")


# --- the main table -------------------------------------------------------------------------------


def test_main_table_holds_mean_deviation_and_difference(config, monkeypatch):
    table = make("gr_main_table", config, monkeypatch).set_index("method")
    values = {
        method: [
            json.loads((run_path("alpha", "demo", method, seed) / "metrics.json").read_text())[
                "test"
            ]["map"]
            for seed in (0, 1, 2)
        ]
        for method in ("bce", "an", "gr")
    }
    for method, maps in values.items():
        assert table.loc[method, "map_mean"] == pytest.approx(sum(maps) / 3)
        variance = sum((value - sum(maps) / 3) ** 2 for value in maps) / 2
        assert table.loc[method, "map_std"] == pytest.approx(variance**0.5)
        assert table.loc[method, "seeds"] == 3
    difference = sum(values["gr"]) / 3 - sum(values["an"]) / 3
    assert table.loc["gr", "difference"] == pytest.approx(difference)
    assert table.loc["gr", "difference_low"] < difference < table.loc["gr", "difference_high"]
    assert np.isnan(table.loc["an", "difference"])
    assert table["ranked"].to_dict() == {"bce": False, "an": True, "gr": True}


def test_main_table_marks_the_best_of_the_ranked_methods(config, monkeypatch):
    data = make("gr_main_table", config, monkeypatch)
    [table] = parse_tables(exhibit_path("gr_main_table", ".md").read_text())
    assert list(table.header) == [
        "Method", "mAP (%)", "Seeds", "Difference to AN", "95 % interval",
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == ["Full labels", "AN", "GR_1 <x>"]
    ranked = data[data["ranked"]].sort_values("map_mean", ascending=False)["method"].tolist()
    places = {"an": 1, "gr": 2}
    assert table.marks == {(places[ranked[0]], 1): BEST, (places[ranked[1]], 1): SECOND}
    row = data.set_index("method").loc["bce"]
    assert table.rows[0][1] == f"{row['map_mean']:.1f} ± {row['map_std']:.1f}"
    assert table.rows[0][3] == f"{row['difference']:+.1f}"
    assert table.rows[1][3:] == ["–", "–"]


@pytest.mark.parametrize("methods", [("bce", "gr"), ("an",)], ids=["no reference", "nothing else"])
def test_main_table_of_nothing_to_compare_shows_no_differences(tmp_path, monkeypatch, methods):
    monkeypatch.chdir(tmp_path)
    config = configuration(methods=methods)
    write_results(config)
    data = make("gr_main_table", config, monkeypatch)
    assert data["difference"].isna().all()
    [table] = parse_tables(exhibit_path("gr_main_table", ".md").read_text())
    assert list(table.header) == ["Method", "mAP (%)", "Seeds"]
    assert "bootstrap" not in read_caption("gr_main_table")


def test_main_table_of_several_blocks_and_one_seed(wide):
    data = wide("gr_main_table")
    tables = parse_tables(exhibit_path("gr_main_table", ".md").read_text())
    titles = ["Alpha, Demo", "Alpha, Long", "Beta, Demo", "Beta, Long"]
    assert [table.title for table in tables] == titles
    assert len(data) == 4 * 3
    assert data["map_std"].isna().all()
    assert "±" not in exhibit_path("gr_main_table", ".md").read_text()
    latex = exhibit_path("gr_main_table", ".tex").read_text()
    for title in titles:
        assert rf"\textit{{{title}}}" in latex


def test_caption_states_the_facts_of_the_runs(config, monkeypatch):
    make("gr_main_table", config, monkeypatch)
    caption = read_caption("gr_main_table")
    for fact in (
        "3 runs per method (seeds 0, 1 and 2)",
        "Dataset: Alpha; protocol: Demo (1 positive and no negative observed per training image)",
        "Test images: 50",
        "1000 resamples",
        "not ranked: Full labels, which trains on other labels",
    ):
        assert fact in caption
    assert caption.count("\n") == 1


@pytest.mark.parametrize(
    "key", ["gr_main_table", "gr_separation", "gr_false_negative_rate", "extra_learning_curves"]
)
def test_one_run_is_neither_averaged_nor_pooled(wide, key):
    wide(key)
    caption = read_caption(key)
    assert "1 run per method (seed 7)" in caption
    assert not re.search("mean|ooled|deviation", caption.replace("mean number of positives", ""))


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", FIGURES)
def test_figure_of_several_blocks_and_one_seed(key, wide):
    data = wide(key)
    blocks = data[["dataset", "protocol"]].drop_duplicates()
    assert len(blocks) == 4
    assert exhibit_path(key, ".png").read_bytes().startswith(b"\x89PNG")
    # No colour of the picture is left as it is on a dark page.
    _, drawn = exhibit_path(key, ".svg").read_text(encoding="utf-8").split("</style>", 1)
    assert set(re.findall(r"(?:fill|stroke): (#\w+)", drawn)) <= {c.lower() for c in style.DARK}
    caption = read_caption(key)
    assert "Datasets: Alpha and Beta; protocols: Demo and Long (1 positive" in caption
    assert "deviation" not in caption
    assert "band" not in caption


@pytest.mark.parametrize("key", FIGURES)
def test_figures_are_as_wide_as_a_column_or_two_and_legible_at_that(key, wide):
    wide(key)
    path = exhibit_path(key, ".pdf")
    width, _ = page_inches(path)
    assert width == pytest.approx(TEXT_WIDTH) or width == pytest.approx(COLUMN_WIDTH)
    assert min(text_sizes(path)) >= SMALL


def test_names_that_are_longer_than_the_figure_leave_room_for_what_it_shows():
    name = "A name that is longer than the page is wide, " * 3
    with style_context():
        figure, [axes] = new_panels(1, height=2.0)
        for place, title in enumerate((name, "AN")):
            axes.plot([0, 1], [place, place], label=title)
        name_rows(axes, [0, 1], [name, "AN"], [1])
        set_title(axes, name, share=0.5, loc="left")
        add_legend(axes)
        figure.draw_without_rendering()
        assert axes.get_position().width * COLUMN_WIDTH > 1.2
        first, second = axes.get_yticklabels()
        assert first.get_text().startswith("A name that is longer")
        assert first.get_text().endswith("…")
        assert (second.get_text(), second.get_fontweight()) == ("AN", "bold")
        inside = figure.get_window_extent()
        size = SETTINGS["axes.titlesize"]
        [title] = [
            text for text in axes.findobj(Text) if text.get_text() and text.get_size() == size
        ]
        for text in (*axes.get_legend().get_texts(), title):
            box = text.get_window_extent()
            assert inside.x0 <= box.x0 < box.x1 <= inside.x1


def test_figures_are_the_same_bytes_each_time_and_hold_no_date(config, monkeypatch):
    for key in ("gr_separation", "extra_learning_curves"):
        make(key, config, monkeypatch)
        paths = [
            exhibit_path(key, suffix) for suffix in (".pdf", ".png", ".svg", ".csv", ".caption.txt")
        ]
        before = [path.read_bytes() for path in paths]
        assert b"CreationDate" not in before[0]
        assert b"dc:date" not in before[2]
        make(key, config, monkeypatch)
        assert [path.read_bytes() for path in paths] == before


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_dark_colours_can_be_seen_on_the_page_and_text_read():
    sheet = (ROOT / "workflow/report/style.css").read_text()
    assert f"--paper: light-dark(#ffffff, {style.DARK_PAPER});" in sheet
    assert f"--ink: light-dark(#1b1f24, {style.DARK_INK});" in sheet
    paper = luminance(style.DARK_PAPER)
    faint = {"#ffffff", style.LIGHT_GREY, style.SETTINGS["grid.color"].lower()}
    for light, dark in style.DARK.items():
        contrast = (luminance(dark) + 0.05) / (paper + 0.05)
        assert contrast >= 4.5 or light in faint, (light, contrast)
    assert len(set(style.DARK.values())) == len(style.DARK)


def test_svg_keeps_text_as_text_and_what_places_it():
    svg = style.follow_page(
        '<svg><defs></defs><image transform="scale(0.004167)"/><path d="M 1.23456 2"/>'
        '<text style="font-family: \'DejaVu Sans\'" x="0.125678">0.123456</text></svg>'
    )
    assert svg.index("<style>") < svg.index("<defs")
    assert "scale(0.004167)" in svg
    assert 'd="M 1.23 2"' in svg
    assert '\'DejaVu Sans\', Verdana, sans-serif" x="0.13">0.123456</text>' in svg


def test_class_counts_are_those_of_the_training_rows(config, monkeypatch):
    data = make("gr_class_counts", config, monkeypatch)
    truth = load_labels(labels_path("alpha")).train.truth
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    assert data["class_name"].tolist() == list(CLASSES)
    for column, row in enumerate(data.to_dict("records")):
        total = sum(bool(truth[image, column]) for image in observation.train)
        seen = sum(int(observation.observed[image, column]) == 1 for image in observation.train)
        assert (row["total"], row["observed"]) == (total, seen)
        assert row["missing"] == total - seen
    assert data["observed"].sum() == len(observation.train)


def unobserved(method_scores, positive):
    """Scores of the unobserved validation entries that are, or are not, truly positive."""
    truth = load_labels(labels_path("alpha")).train.truth
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    return [
        float(method_scores[place, column])
        for place, row in enumerate(observation.val)
        for column in range(len(CLASSES))
        if observation.observed[row, column] == 0 and bool(truth[row, column]) == positive
    ]


def test_separation_counts_and_distances(config, monkeypatch):
    data = make("gr_separation", config, monkeypatch)
    assert set(data["method"]) == {"an", "gr"}
    run = data[(data["method"] == "gr") & (data["seed"] == 1)]
    with np.load(run_path("alpha", "demo", "gr", 1) / "predictions.npz") as arrays:
        missed, negative = (unobserved(arrays["val"], kind) for kind in (True, False))
    assert run["false_negatives"].sum() == len(missed)
    assert run["true_negatives"].sum() == len(negative)
    # The distance is the area between the two cumulative distributions.
    points = np.unique([*missed, *negative])
    shares = [
        np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (missed, negative)
    ]
    area = float((np.abs(shares[0] - shares[1])[:-1] * np.diff(points)).sum())
    assert run["wasserstein_distance"].unique() == pytest.approx(area, rel=1e-6)
    mean = data[data["method"] == "gr"].groupby("seed")["wasserstein_distance"].first().mean()
    assert f"{mean:.3f} ±" in read_caption("gr_separation")


def test_method_that_observes_everything_has_nothing_to_separate(config, monkeypatch):
    config["exhibits"]["gr_separation"] = {
        **config["exhibits"]["gr_separation"], "methods": ["bce"],
    }  # fmt: skip
    with pytest.raises(UserError, match="method bce observes every entry"):
        make("gr_separation", config, monkeypatch)


def test_false_negative_rate_in_each_interval(config, monkeypatch):
    config["exhibits"]["gr_false_negative_rate"] = {
        **config["exhibits"]["gr_false_negative_rate"], "intervals": 4,
    }  # fmt: skip
    data = make("gr_false_negative_rate", config, monkeypatch)
    # In the made-up histories of three epochs w is 0 in the first and 4/3 in the last; b is -2.
    slopes = {"start": 0.0, "end": 4 / 3}
    for moment, array in (("start", "val_first"), ("end", "val_last")):
        missed, negative = [], []
        for seed in (0, 1, 2):
            with np.load(run_path("alpha", "demo", "gr", seed) / "predictions.npz") as arrays:
                missed += unobserved(arrays[array], True)
                negative += unobserved(arrays[array], False)
        for low in (0.0, 0.25, 0.5, 0.75):
            inside = [
                sum(low <= p < low + 0.25 or (low == 0.75 and p == 1) for p in scores)
                for scores in (missed, negative)
            ]
            rows = data[(data["moment"] == moment) & (data["low"] == low)]
            if sum(inside) == 0:
                assert rows.empty
            else:
                [row] = rows.to_dict("records")
                assert (row["false_negatives"], row["true_negatives"]) == tuple(inside)
                assert row["rate"] == pytest.approx(inside[0] / sum(inside))
                expected = binomtest(inside[0], sum(inside)).proportion_ci(method="wilson")
                # Three runs know no more entries than one.
                assert row["rate_low"] <= expected.low
                assert row["rate_high"] >= expected.high
                middle = low + 0.125
                k = 1 / (1 + np.exp(2 - slopes[moment] * middle))
                assert row["trained"] == pytest.approx(k)
        here = data[data["moment"] == moment]
        labels = [1] * len(missed) + [0] * len(negative)
        for name in ("ideal", "trained"):
            distances = [
                abs(row[name] - row["rate"])
                for row in here.to_dict("records")
                for _ in range(row["false_negatives"] + row["true_negatives"])
            ]
            assert here[f"{name}_error"].unique() == pytest.approx(np.mean(distances))
            assert f"{np.mean(distances):.3f}" in read_caption("gr_false_negative_rate")
        assert len(labels) == len(distances)


def test_area_of_the_rates_is_scikit_learns_for_each_run(config, monkeypatch):
    data = make("gr_false_negative_rate", config, monkeypatch)
    areas = []
    for seed in (0, 1, 2):
        with np.load(run_path("alpha", "demo", "gr", seed) / "predictions.npz") as arrays:
            missed, negative = (unobserved(arrays["val_last"], kind) for kind in (True, False))
        areas.append(roc_auc_score([1] * len(missed) + [0] * len(negative), missed + negative))
    end = data[data["moment"] == "end"]
    assert end["area"].unique() == pytest.approx(np.mean(areas))
    assert (end["area_low"] < end["area"]).all()


def test_a_loss_with_another_k_has_no_curve_of_its_own(config, monkeypatch):
    for seed in (0, 1, 2):
        path = run_path("alpha", "demo", "gr", seed) / "run.json"
        record = json.loads(path.read_text())
        record["settings"]["loss"] = "gr_learned_k"
        path.write_text(json.dumps(record))
    data = make("gr_false_negative_rate", config, monkeypatch)
    assert data["trained"].isna().all()
    caption = read_caption("gr_false_negative_rate")
    assert "Dashed" not in caption
    assert "trained" not in caption.replace("trained as", "")


def test_trained_rate_is_the_mean_of_the_runs_curves():
    curves = [{"w": 0.0, "b": 0.0}, {"w": 2.0, "b": -1.0}]
    assert trained_rate(np.array([0.5]), curves) == pytest.approx([0.5])
    assert trained_rate(np.array([1.0]), curves) == pytest.approx(
        [(0.5 + 1 / (1 + np.exp(-1))) / 2]
    )


def test_intervals_without_entries_are_left_out(config, monkeypatch):
    data = make("gr_false_negative_rate", config, monkeypatch)
    # Scores have two decimals, so at most 101 values fall into 100 intervals, and few are met.
    assert (data["false_negatives"] + data["true_negatives"] > 0).all()
    assert len(data) < 200
    assert data["rate"].between(0, 1).all()


def test_estimated_rate_is_the_posterior_of_a_positive_that_was_not_observed():
    """P(y = 1 | s = 0) by Bayes, if a positive is observed with probability a."""
    for positives in (1.46, 2.94):
        a = 1 / positives
        for p in (0.0, 0.1, 0.5, 0.9, 1.0):
            unobserved_positive, unobserved_negative = p * (1 - a), 1 - p
            expected = unobserved_positive / (unobserved_positive + unobserved_negative)
            assert ideal_rate(np.array(p), positives) == pytest.approx(expected)


def test_estimate_uses_the_mean_positives_of_training_images(config, monkeypatch):
    data = make("gr_false_negative_rate", config, monkeypatch)
    truth = load_labels(labels_path("alpha")).train.truth
    train = load_observation(observed_path("alpha", "demo", "single_positive")).train
    assert data["mean_positives"].unique() == pytest.approx(truth[train].sum() / len(train))


def test_smoothing_is_a_centred_mean():
    values = np.random.default_rng(0).random(50)
    inner = np.convolve(values, np.ones(5) / 5, mode="valid")
    assert smooth(values, 5)[2:-2] == pytest.approx(inner)
    assert smooth(values, 5)[0] == pytest.approx(values[:3].mean())
    gap = values.copy()
    gap[10] = np.nan
    assert smooth(gap, 5)[10] == pytest.approx(np.delete(values[8:13], 2).mean())


def test_memorisation_is_the_mean_over_seeds(config, monkeypatch):
    data = make("ll_memorisation_curve", config, monkeypatch)
    traces = []
    for seed in (0, 1, 2):
        with np.load(run_path("alpha", "demo", "an", seed) / "trace.npz") as arrays:
            traces.append(arrays["false_negative_loss"])
    row = data[(data["entries"] == "false_negatives") & (data["iteration"] == 30)]
    window = STEPS_PER_EPOCH // 5
    assert row["window"].tolist() == [window]
    # A centred window of four steps holds two before the step, the step and one after it.
    values = [trace[27:31].mean() for trace in traces]
    found = row[["mean", "low", "high"]].to_numpy()[0]
    assert found == pytest.approx([np.mean(values), min(values), max(values)])
    assert data["iteration"].max() == STEPS_PER_EPOCH * EPOCHS
    assert "moving mean over 4 iterations" in read_caption("ll_memorisation_curve")


def test_learning_curves_leave_out_runs_that_stopped(config, monkeypatch):
    path = run_path("alpha", "demo", "gr", 2) / "history.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n")
    data = make("extra_learning_curves", config, monkeypatch)
    curve = data[data["method"] == "gr"].set_index("epoch")
    assert curve["runs"].to_dict() == {1: 3, 2: 3, 3: 2}
    values = [
        json.loads((run_path("alpha", "demo", "gr", seed) / "history.jsonl").read_text().splitlines()[2])[
            "val_map"
        ]
        for seed in (0, 1)
    ]  # fmt: skip
    assert curve.loc[3, "mean"] == pytest.approx(sum(values) / 2)
    assert curve.loc[3, "low"] == pytest.approx(min(values))
    assert curve.loc[3, "high"] == pytest.approx(max(values))
    assert "A run that stopped early counts up to its last epoch." in read_caption(
        "extra_learning_curves"
    )


# --- settings -------------------------------------------------------------------------------------


def test_exhibit_declares_the_observations_of_its_methods():
    config = configuration(datasets=("alpha", "beta"))
    assert exhibit_observations(config, "gr_main_table") == [
        ("alpha", "demo", "single_positive"),
        ("alpha", "demo", "full"),
        ("beta", "demo", "single_positive"),
        ("beta", "demo", "full"),
    ]
    assert exhibit_observations(config, "gr_class_counts") == [
        ("alpha", "demo", "single_positive"),
        ("beta", "demo", "single_positive"),
    ]


def test_settings_of_class_counts_do_not_depend_on_seeds_or_methods():
    first = exhibit_settings(configuration(), "gr_class_counts")
    second = exhibit_settings(configuration(methods=("an",), seeds=(9,)), "gr_class_counts")
    assert first == second


def test_command_line_stays_short_for_everything():
    datasets, protocols = ("alpha", "beta"), ("demo", "long")
    config = configuration(datasets=datasets, protocols=protocols, seeds=tuple(range(20)))
    for number in range(150):
        config["methods"][f"method{number}"] = {"title": f"Method number {number}", "loss": "an"}
    config["select"]["methods"] = list(config["methods"])
    assert len(compact_json(exhibit_settings(config, "gr_main_table"))) < 30_000


@pytest.mark.parametrize(
    ("seeds", "phrase"),
    [([3], "1 run per method (seed 3)"), ([0, 2], "2 runs per method (seeds 0 and 2)")],
)
def test_seeds_in_words(seeds, phrase):
    assert phrases.seeds_phrase({"seeds": seeds}) == phrase
    mean = phrase if len(seeds) == 1 else f"mean of {phrase}"
    assert phrases.seeds_phrase({"seeds": seeds}, "mean of") == mean


# --- numbers and tables as text -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [(1.25, False, "1.2"), (-3.14, False, "−3.1"), (2.0, True, "+2.0"), (-0.04, False, "0.0"),
     (-0.04, True, "+0.0"), (-0.06, True, "−0.1")],
)  # fmt: skip
def test_numbers_in_print(value, sign, text):
    assert format_number(value, sign=sign) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-0.04, 1.3, "−0.0 to +1.3"),
        (0.04, 1.3, "+0.0 to +1.3"),
        (-2.71, -0.04, "−2.7 to −0.0"),
        (-0.0, 0.0, "+0.0 to +0.0"),
    ],
)
def test_interval_shows_on_which_side_of_zero_its_ends_are(low, high, text):
    assert format_interval(low, high) == text


def test_interval_without_signs_is_of_scores():
    assert format_interval(83.62, 86.0, sign=False) == "83.6 to 86.0"


def test_mean_of_one_value_has_no_deviation():
    assert format_mean(94.52, None) == "94.5"
    assert format_mean(94.52, 0.35) == "94.5 ± 0.3"


def test_ranks_go_by_what_is_printed():
    assert rank_marks([90.01, None, 95.04, 94.96, 80.0]) == {2: BEST, 3: BEST, 0: SECOND}
    assert rank_marks([None, 50.0]) == {1: BEST}
    assert rank_marks([]) == {}


def test_columns_of_words_are_set_to_the_left():
    formula = Formulas("$p$")
    rows = [["a", "1.0 ± 0.1", "cpu", formula, "word " * 9], ["b", "–", "3 of them", "–", ""]]
    table = Table(["M", "mAP", "Device", "k", "Text"], [*rows, ["c", "−2", "gpu", "0", "x"]])
    assert column_kinds(table) == ["text", "", "text", "text", "prose"]
    assert ":-- | --: | :-- | :-- | :--" in format_tables([table])


def test_latex_escapes_and_marks():
    table = Table(
        ["A & B", "50 %"],
        [["x_1 <y>", "−2.0 ± 0.1"], ["$y#", "–"]],
        marks={(0, 1): BEST, (1, 1): SECOND},
    )
    text = format_latex([table], "100 % {of} it", "gr_t")
    for line in (
        r"\toprule", r"\midrule", r"\bottomrule",
        r"A \& B & 50 \% \\",
        r"x\_1 $<$y$>$ & \textbf{$-$2.0 $\pm$ 0.1} \\",
        r"\$y\# & \underline{\textendash{}} \\",
        r"\caption{100 \% \{of\} it}",
        r"\label{tab:gr_t}",
    ):  # fmt: skip
        assert line in text


def test_latex_tables_of_other_columns_share_no_tabular():
    first = Table(["A", "B"], [["a", "1"]], "First")
    second = Table(["A", "B", "C"], [["a", "1", "2"]], "Second")
    text = format_latex([first, second, first], "Caption", "gr_t")
    assert text.count(r"\begin{tabular}{@{}lr@{}}") == 2
    assert text.count(r"\begin{tabular}{@{}lrr@{}}") == 1
    assert format_latex([first, first], "Caption", "gr_t").count(r"\begin{tabular}") == 1


# --- what commands load ---------------------------------------------------------------------------


TABLES = (
    "gr_main_table",
    "gr_ablation",
    "gr_dataset_statistics",
    "gr_hyperparameters",
    "gr_separation_table",
)
LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"spml.exhibits.{name}")
    print(*{name.split(".")[0] for name in sys.modules})
"""


def test_tables_load_no_plotting_and_exhibits_no_torch():
    names = [*TABLES, "gr_gradients", "gr_hyperparameter_curves", "gr_separation"]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *names],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    # All that was loaded so far, after each of them.
    loaded = dict(zip(names, map(set, map(str.split, done.stdout.splitlines())), strict=True))
    assert not loaded[TABLES[-1]] & {"matplotlib", "torch", "seaborn", "scipy"}
    assert "torch" not in loaded["gr_separation"]
    assert "matplotlib" in loaded["gr_separation"]
