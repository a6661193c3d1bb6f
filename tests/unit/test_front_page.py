"""What the report opens with: the gap closed, its sentence, verdicts, and pictures of the data."""

import base64
import importlib
import io
import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration, write_results
from PIL import Image
from scipy.stats import false_discovery_control, mannwhitneyu, spearmanr, t, ttest_rel
from spml import illustrate
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.data.packed import save_packed
from spml.exhibits import extra_separation
from spml.exhibits.command import write_data
from spml.exhibits.gap import result_phrase
from spml.exhibits.verdicts import CONTRADICTED, INCONCLUSIVE, NOT_RUN, SUPPORTED
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_settings, report_settings
from spml.plumbing.addresses import (
    comparison_path,
    exhibit_path,
    labels_path,
    observed_path,
    packed_path,
    pictures_path,
    run_path,
    table_path,
)
from spml.plumbing.checksums import write_checksums
from spml.plumbing.files import read_json
from spml.report.gap import read_gaps
from spml.report.verdicts import claims_phrase, read_claims, scope_phrase

# Test mAP of three seeds; the images add nothing where no spread is given.
MAPS = {
    "an": [70.0, 71.0, 69.0],
    "bce": [90.0, 90.5, 89.0],
    "gr": [86.0, 85.0, 86.5],
    "ll_r": [80.0, 81.0, 79.5],
    "em": [85.8, 85.4, 86.2],
    "entmin": [20.0, 21.0, 19.0],
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(methods=tuple(MAPS))
    for name in MAPS:
        config["methods"].setdefault(name, {"title": name.upper(), "loss": name})
    config["select"]["exhibits"] = ["gr_main_table", "extra_gap_closed"]
    return config


def write_comparison(maps, published=None, spread=0.0):
    """What the gap is drawn from: resampled test mAP, and the main table with published numbers."""
    place = {"dataset": "alpha", "protocol": "demo"}
    path = comparison_path("gr_main_table", **place, suffix=".npz")
    path.parent.mkdir(parents=True)
    values = np.array(list(maps.values()))
    noise = np.random.default_rng(1).normal(size=(len(maps), 400))
    np.savez(
        path,
        methods=np.array(list(maps)),
        seed_map=values,
        resampled=values.mean(axis=1, keepdims=True) + spread * noise,
        influence=spread * np.eye(len(maps)),
    )
    write_checksums(path)
    stem = exhibit_path("gr_main_table", "")
    stem.parent.mkdir(parents=True)
    rows = [
        {**place, "method": name, "published": value, "published_metric": "test_map"}
        for name, value in {**dict.fromkeys(maps), **(published or {})}.items()
    ]
    write_data(pd.DataFrame(rows), stem)
    write_checksums(f"{stem}.csv")


def make(config, monkeypatch):
    """Run the command of the gap as its rule does; return its data by method and its caption."""
    settings = compact_json(exhibit_settings(config, "extra_gap_closed"))
    directory = str(exhibit_path("extra_gap_closed", "").parent)
    arguments = ["x", "--settings", settings, "--output-directory", directory]
    monkeypatch.setattr("sys.argv", arguments)
    importlib.import_module("spml.exhibits.extra_gap_closed").main()
    data = pd.read_csv(exhibit_path("extra_gap_closed", ".csv"), dtype={"published": "str"})
    return data, exhibit_path("extra_gap_closed", ".caption.txt").read_text()


def fieller(won, gaps):
    """The exact interval of a ratio of two paired means: where a t test does not reject it."""
    size = len(won)
    quantile = t.ppf(0.975, size - 1) ** 2 / size
    (own, both), (_, whole) = np.cov(won, gaps)
    first, second = np.mean(won), np.mean(gaps)
    return sorted(
        np.roots(
            [
                second**2 - quantile * whole,
                -2 * (first * second - quantile * both),
                first**2 - quantile * own,
            ]
        )
    )


# --- the gap --------------------------------------------------------------------------------------


def test_share_of_the_gap_and_its_interval(config, monkeypatch):
    write_comparison(MAPS, {"gr": "88.50"})
    data, caption = make(config, monkeypatch)
    gaps = np.subtract(MAPS["bce"], MAPS["an"])
    for method in ("gr", "ll_r", "em"):
        rows = data[data["method"] == method]
        won = np.subtract(MAPS[method], MAPS["an"])
        first = rows.iloc[0]
        assert list(rows["run_map"]) == MAPS[method]
        assert list(rows["seed"]) == [0, 1, 2]
        assert first["map"] == pytest.approx(np.mean(MAPS[method]))
        assert first["share"] == pytest.approx(100 * won.mean() / gaps.mean())
        exact = 100 * np.array(fieller(won, gaps))
        assert list(first[["share_low", "share_high"]]) == pytest.approx(exact, abs=1.5)
        half = t.ppf(0.975, 2) * np.std(MAPS[method], ddof=1) / 3**0.5
        assert first["map_high"] - first["map"] == pytest.approx(half, rel=1e-4)
    ends = data.groupby("method").first()
    assert list(ends.loc["bce", ["share", "share_low", "share_high"]]) == pytest.approx([100] * 3)
    assert list(ends.loc["an", ["share", "share_low", "share_high"]]) == pytest.approx([0] * 3)
    assert ends.loc["gr", "published"] == "88.50"
    assert ends["published"].isna().sum() == len(MAPS) - 1
    assert "Hollow diamonds" in caption
    assert exhibit_path("extra_gap_closed", ".png").stat().st_size > 10_000


def test_sentence_names_the_loss_what_is_won_back_and_what_is_not_told_apart(config, monkeypatch):
    write_comparison(MAPS)
    _, caption = make(config, monkeypatch)
    lost = np.mean(MAPS["bce"]) - np.mean(MAPS["an"])
    share = 100 * (np.mean(MAPS["gr"]) - np.mean(MAPS["an"])) / lost
    assert caption.startswith(f"On Alpha, AN loses {lost:.1f} points of mAP (95 % interval ")
    assert f"against Full labels; of that, GR_1 <x> wins back {share:.0f} % (" in caption
    assert " and LL_R 5" in caption
    # Full labels are other labels: they are not ranked.
    assert "Not told apart at the top: GR_1 <x> and EM." in caption
    assert "diamonds" not in caption


def test_best_of_many_is_not_above_what_chance_puts_below_it(config, monkeypatch):
    """A plain interval forgets that the best was picked, and how many are compared with it."""
    lost = {
        "gr": [0.0, 0.0, 0.0],
        "ll_r": [0.5, 0.9, 0.6],
        "em": [0.3, 1.2, 0.2],
        "an": [-0.2, 0.8, 0.5],
        "entmin": [0.9, 0.1, 0.6],
        "bce": [0.4, 0.2, 1.0],
    }
    maps = {name: list(np.subtract(MAPS["gr"], values)) for name, values in lost.items()}
    write_comparison(maps)
    data, caption = make(config, monkeypatch)
    low = data[data["best_high"] < 0]["method"].unique()
    assert list(low) == ["ll_r"]
    uncorrected = [ttest_rel(a, b).pvalue for a, b in combinations(maps.values(), 2)]
    assert min(uncorrected) < 0.05 < min(false_discovery_control(uncorrected))
    assert not data["below_best"].any()
    [told] = re.findall(r"Not told apart at the top: (.*?)\.", caption)
    assert set(re.split(", | and ", told)) == {"GR_1 <x>", "LL_R", "EM", "AN", "ENTMIN"}


def test_best_method_alone_is_said_to_be_above_all(config, monkeypatch):
    write_comparison({**MAPS, "gr": [88.0, 88.1, 87.9]})
    assert "GR_1 <x> is above all others." in make(config, monkeypatch)[1]


def test_no_share_is_given_of_a_gap_that_may_be_chance(config, monkeypatch):
    write_comparison({**MAPS, "bce": [70.0, 71.5, 69.5]}, spread=1.0)
    data, caption = make(config, monkeypatch)
    assert data["share"].isna().all()
    assert "which may be chance." in caption
    assert "wins back" not in caption


def test_gap_that_was_not_run_is_said_not_to_be_known(config, monkeypatch):
    maps = {name: values for name, values in MAPS.items() if name != "bce"}
    write_comparison(maps)
    data, caption = make(config, monkeypatch)
    assert data["gap"].isna().all()
    assert caption.startswith("On Alpha, the gap to full labels was not run. Not told apart")
    [gap] = gaps_of(config)
    assert [rule.text for rule in gap.rules] == ["AN"]
    assert {row.share for row in gap.rows} == {"–"}


def gaps_of(config):
    names = {name: item["title"] for name, item in config["methods"].items()}
    return read_gaps(
        exhibit_path("extra_gap_closed", ".csv"),
        config["exhibits"]["extra_gap_closed"],
        names,
        {("alpha", "demo"): "Alpha"},
    )


def test_picture_places_runs_in_order_and_says_what_lies_below(config, monkeypatch):
    write_comparison(MAPS, {"gr": "88.50"})
    _, caption = make(config, monkeypatch)
    [gap] = gaps_of(config)
    assert gap.result == caption[: len(gap.result)]
    assert [row.key for row in gap.rows] == ["bce", "gr", "em", "ll_r", "an", "entmin"]
    ends = {rule.text: rule.place for rule in gap.rules}
    by_key = {row.key: row for row in gap.rows}
    scale = (ends["Full labels"] - ends["AN"]) / (np.mean(MAPS["bce"]) - np.mean(MAPS["an"]))
    for key in ("gr", "ll_r"):
        for dot, value in zip(by_key[key].dots, MAPS[key], strict=True):
            away = (value - np.mean(MAPS["an"])) * scale
            assert dot.place == pytest.approx(ends["AN"] + away, abs=0.05)
    assert by_key["gr"].dots[2].text == "GR_1 <x>, seed 2: 86.50 %"
    assert by_key["gr"].dots[2].address == "methods/gr.html#run-alpha-demo-2"
    assert by_key["gr"].published > by_key["gr"].mean
    assert by_key["gr"].text.endswith("; published: 88.50 %")
    assert (by_key["entmin"].below, by_key["entmin"].dots) == ("20.0", [])
    assert all(len(row.dots) == 3 for row in gap.rows if not row.below)
    kinds = {row.key: row.kind for row in gap.rows}
    assert (kinds["gr"], kinds["ll_r"], kinds["em"]) == ("gr", "ll", "other")
    assert gap.families["estimates"] == "Entropy and estimates"
    assert set(gap.papers) == {"gr"}
    assert all(0 <= row.low <= row.mean <= row.high <= 100 for row in gap.rows)


def test_methods_without_a_gap_have_a_sentence_too():
    row = {"method": "gr", "family": "gr", "ranked": True, "map": 80.0, "below_best": False}
    text = result_phrase(pd.DataFrame([row]), {"gr": "GR"}, "an", "bce", "Alpha")
    assert text == "On Alpha, the gap to full labels was not run."


# --- separation -----------------------------------------------------------------------------------


def test_quantiles_areas_and_maps_of_each_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(seeds=(0, 1))
    write_results(config)
    settings = compact_json(exhibit_settings(config, "extra_separation"))
    for module, *arguments in (
        ("spml.collect", "--output", str(table_path("extra", "separation"))),
        ("spml.exhibits.extra_separation", "--output-directory", "results/exhibits/extra"),
    ):
        monkeypatch.setattr("sys.argv", [module, "--settings", settings, *arguments])
        importlib.import_module(module).main()
    data = pd.read_csv(exhibit_path("extra_separation", ".csv")).set_index(["method", "seed"])
    # Full labels leave nothing to separate.
    assert set(data.index) == {(method, seed) for method in ("an", "gr") for seed in (0, 1)}
    truth = load_labels(labels_path("alpha")).train.truth
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    hidden = observation.observed[observation.val] == 0
    present = truth[observation.val]
    for (method, seed), row in data.iterrows():
        folder = run_path("alpha", "demo", method, seed)
        with np.load(folder / "predictions.npz") as arrays:
            scores = arrays["val"]
        missed, absent = scores[hidden & present], scores[hidden & ~present]
        area = mannwhitneyu(missed, absent).statistic / (len(missed) * len(absent))
        assert row["run_area"] == pytest.approx(area)
        assert row["false_negatives_q25"] == pytest.approx(np.quantile(missed, 0.25), abs=1e-6)
        assert row["true_negatives_q95"] == pytest.approx(np.quantile(absent, 0.95), abs=1e-6)
        metrics = json.loads((folder / "metrics.json").read_text())
        assert row["run_map"] == pytest.approx(metrics["test"]["map"])
    caption = exhibit_path("extra_separation", ".caption.txt").read_text()
    assert "a point a run" in caption
    assert exhibit_path("extra_separation", ".png").stat().st_size > 10_000


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(3)
    methods = pd.DataFrame({"area": random.random(9), "run_map": random.random(9).round(1)})
    expected = spearmanr(methods["area"], methods["run_map"]).statistic
    assert extra_separation.rank_correlation(methods) == pytest.approx(expected)
    assert np.isnan(extra_separation.rank_correlation(methods[:2]))


# --- verdicts -------------------------------------------------------------------------------------


def write_verdicts(path, *verdicts):
    path.write_text("\n".join(["verdict", *verdicts]))
    return path


@pytest.mark.parametrize(
    ("verdicts", "datasets", "synthetic", "text"),
    [
        ([NOT_RUN] * 3, ["Digits"], True,
         "Demo on synthetic digits, 3 seeds: none of the 3 published numbers tested"),
        ([NOT_RUN] * 3, ["VOC"], False, "VOC, 3 seeds: none of the 3 published numbers tested"),
        (["within", "within", "outside"], ["VOC", "COCO"], False,
         "VOC and COCO, 3 seeds: 2 of 3 published numbers within their uncertainty"),
        (["outside", "uncertainty unknown", NOT_RUN], ["VOC"], False,
         "VOC, 3 seeds: 0 of 2 published numbers within their uncertainty, that of 1 unknown; "
         "1 more not tested"),
    ],
)  # fmt: skip
def test_first_line_says_what_was_tested(tmp_path, verdicts, datasets, synthetic, text):
    path = write_verdicts(tmp_path / "summary.csv", *verdicts)
    assert scope_phrase(path, datasets, 3, synthetic=synthetic) == text


def test_first_line_without_a_summary_claims_nothing():
    text = scope_phrase(None, ["VOC"], 1, synthetic=False)
    assert text == "VOC, 1 seed: not compared with published numbers here"


def test_claims_have_the_verdict_of_the_papers_own_datasets_first(tmp_path):
    columns = ["number", "paper", "claim", "exhibit", "dataset", "place", "of_the_paper"]
    rows = [
        [1, "gr", "First", "gr_main_table", "voc", "VOC", True, "+1.0", SUPPORTED],
        [1, "gr", "First", "gr_main_table", "cub", "CUB", True, "+0.1", INCONCLUSIVE],
        [1, "gr", "First", "gr_main_table", "digits", "Digits", False, "-1.0", CONTRADICTED],
        [2, "ll", "Second", "ll_corrections", "digits", "Digits", False, "79 %", SUPPORTED],
        [3, "ll", "Third", "ll_openimages", None, None, None, None, NOT_RUN],
    ]
    frame = pd.DataFrame(rows, columns=[*columns, "evidence", "verdict"])
    write_data(frame, tmp_path / "claims")
    claims = read_claims(tmp_path / "claims.csv", lambda key: f"page#{key}")
    assert [claim.verdict for claim in claims] == [INCONCLUSIVE, SUPPORTED, NOT_RUN]
    assert [claim.where for claim in claims] == ["VOC and CUB", "Digits", ""]
    assert [claim.own for claim in claims] == [True, False, False]
    assert claims[0].address == "page#gr_main_table"
    assert claims[2].address == "page#extra_claims"
    assert claims[2].kind == "not-run"
    text = claims_phrase(claims)
    assert text.startswith("On the papers' own datasets: 1 inconclusive. On Digits, which says how")
    assert text.endswith("right: 1 supported.")
    assert claims_phrase(claims[1:]).startswith("On the papers' own datasets: not run. On Digits")


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "channels", "kind"), [(28, 1, "png"), (300, 3, "jpeg")])
def test_pictures_are_those_with_something_hidden(tmp_path, monkeypatch, side, channels, kind):
    monkeypatch.chdir(tmp_path)
    config = configuration()
    write_results(config)
    labels = load_labels(labels_path("alpha"))
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (60, side, side, channels), dtype=np.uint8)
    packed_path("alpha").parent.mkdir(parents=True)
    save_packed(packed_path("alpha"), {"train": images, "test": images[:1]})
    [item] = report_settings(config)["pictures"]
    path = pictures_path(**item)
    arguments = [
        "illustrate", "--labels", str(labels_path("alpha")), "--observed",
        str(observed_path(**item)), "--images", str(packed_path("alpha")), "--output", str(path),
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", arguments)
    illustrate.main()
    samples = read_json(path)
    rows = [row for row in observation.train if labels.train.truth[row].sum() > 1][:4]
    assert len(samples) == 4
    for sample, row in zip(samples, rows, strict=True):
        present = {
            name
            for name, there in zip(labels.classes, labels.train.truth[row], strict=True)
            if there
        }
        assert {*sample["seen"], *sample["hidden"]} == present
        [seen] = sample["seen"]
        assert observation.observed[row, labels.classes.index(seen)] == 1
        assert sample["address"].startswith(f"data:image/{kind};base64,")
        assert sample["small"] == (side <= 64)
    if kind == "png":
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(samples[0]["address"][22:]))))
        assert (shown == images[rows[0], ..., 0]).all()
    else:
        shown = Image.open(io.BytesIO(base64.b64decode(samples[0]["address"][23:])))
        assert max(shown.size) == illustrate.LARGEST


def test_datasets_of_features_have_no_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(datasets=("alpha", "beta"))
    config["datasets"]["beta"]["features"] = {"file": "x.npz"}
    pictures = report_settings(config)["pictures"]
    assert pictures == [{"dataset": "alpha", "protocol": "demo", "observation": "single_positive"}]
    config["select"]["exhibits"] = ["gr_class_counts"]
    assert report_settings(config)["pictures"] == []
