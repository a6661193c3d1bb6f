"""What a protocol makes of a method, and the leaderboard, on made-up comparisons."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from finished_runs import ROOT, configuration
from scipy.stats import t
from spml.exhibits.markdown import BEST, SECOND
from spml.planning.shown import shown_exhibits
from spml.plumbing.addresses import comparison_path, exhibit_path
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError
from test_summaries import make

FOUR = ("voc", "coco", "nus", "cub")
METHODS = ("bce", "an", "em", "gr")
KEY = "extra_single_positive_leaderboard"
FILES = (KEY, "gr_main_table", "gr_reruns", "ll_partial_labels")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "config/published", "config/published")
    config = configuration(datasets=FOUR, protocols=("gr", "em"), methods=METHODS)
    definitions = yaml.safe_load((ROOT / "config/methods.yaml").read_text())["methods"]
    config["methods"] = definitions | config["methods"]
    for dataset in config["datasets"].values():
        dataset["backbone"]["architecture"] = "resnet50"
    config["select"] |= {"datasets": ["voc"], "exhibits": ["gr_main_table"]}
    config["exhibits"]["gr_main_table"]["methods_under"] = {"em": ["bce", "an", "em"]}
    return config


def write(protocol, maps, exhibit="gr_main_table", resamples=200):
    """Test mAP of each method by seed, the same on any images: intervals are over seeds alone."""
    path = comparison_path(exhibit, dataset="voc", protocol=protocol, suffix=".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array([maps[name] for name in maps], dtype=float)
    means = np.repeat(values.mean(axis=1)[:, None], resamples, axis=1)
    influence = np.zeros((len(maps), 1))
    methods = np.array(list(maps))
    np.savez(path, methods=methods, seed_map=values, resampled=means, influence=influence)
    write_checksums(path)


def write_both():
    write("gr", {"an": [80, 82, 84], "bce": [90, 90, 90], "em": [86, 87, 88], "gr": [88, 89, 91]})
    write("em", {"an": [79, 80, 81], "bce": [90, 90, 90], "em": [88, 88, 88]})


def half_width(values):
    """Of the 95 % interval of a mean over seeds, by Student's t."""
    return t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5


# --- protocols ------------------------------------------------------------------------------------


def test_difference_between_protocols_is_paired_by_seed(config, monkeypatch):
    write_both()
    data, [table], caption = make("extra_protocols", config, monkeypatch)
    rows = data.set_index("method")
    assert list(rows.index) == ["an", "bce", "em"]  # GR Loss was run under one alone
    assert set(data["protocol"] + " " + data["other_protocol"]) == {"gr em"}
    # Seed by seed 1, 2 and 3 points: 2 ± 2.48.
    assert rows.loc["an", ["map", "other_map", "difference"]].tolist() == [82, 80, 2]
    assert half_width([1, 2, 3]) == pytest.approx(2.484, abs=0.001)
    ends = rows.loc["an", ["difference_low", "difference_high"]].tolist()
    assert ends == pytest.approx([2 - half_width([1, 2, 3]), 2 + half_width([1, 2, 3])], abs=1e-6)
    assert rows.loc["bce", ["difference", "difference_low"]].tolist() == [0, 0]
    assert list(table.rows[0]) == ["AN", "Gr", "82.0", "Em", "80.0", "+2.0", "−0.5 to +4.5"]
    # EM loses 1 ± 2.48 of its own.
    assert "0 of 3 intervals lie wholly on one side of zero" in caption
    assert "3 seeds under each, 200 resamples" in caption


def test_runs_of_other_seeds_or_resamples_are_not_paired(config, monkeypatch):
    write_both()
    write("em", {"an": [79, 80, 81]}, resamples=100)
    with pytest.raises(UserError, match="extra_protocols has nothing to show: no method has runs"):
        make("extra_protocols", config, monkeypatch)


def test_protocols_are_compared_only_where_a_method_has_two(config):
    config["select"]["exhibits"] = ["gr_main_table", "extra_protocols"]
    assert "extra_protocols" in shown_exhibits(config)
    config["exhibits"]["gr_main_table"]["methods_under"]["em"] = ["iun", "n_ls"]
    assert "extra_protocols" not in shown_exhibits(config)  # nor are they, without a reference
    config["exhibits"]["gr_main_table"]["methods_under"] = {}
    config["select"]["protocols"] = ["gr"]
    assert "extra_protocols" not in shown_exhibits(config)


# --- the leaderboard ------------------------------------------------------------------------------


def printed_numbers():
    """All published test mAP of the four datasets in the files that the leaderboard shows."""
    found = []
    for name in FILES:
        with Path(f"config/published/{name}.csv").open(newline="") as lines:
            found += [
                row
                for row in csv.DictReader(lines)
                if row["metric"] == "test_map" and row["dataset"] in FOUR
            ]
    return found


@pytest.fixture
def leaderboard(config, monkeypatch):
    write_both()
    return make(KEY, config, monkeypatch)


def test_every_published_number_is_a_cell_of_the_leaderboard(leaderboard):
    data, [table], caption = leaderboard
    printed = printed_numbers()
    published = data[data["kind"] != "ours"]
    key = ["method", "dataset", "protocol", "source", "published"]
    found = published[key].fillna("").astype({"published": "float"})
    assert sorted(map(tuple, found.to_numpy().tolist())) == sorted(
        (*(row[name] for name in key[:-1]), float(row["value"])) for row in printed
    )
    assert f"one positive label an image: {len(printed)} published numbers as printed" in caption
    cells = sum(len([cell for cell in row[2:6] if cell != "–"]) for row in table.rows)
    assert cells == len(printed) + 7
    # Each is named, and its source is in the caption.
    assert not published["title"].isin(set(published["method"]) - {"n_ls"}).any()
    for number, source in enumerate(dict.fromkeys(row[10] for row in table.rows), 1):
        assert source in ("–", f"[{number}]") or source in caption
    for source in {row["source"] for row in printed}:
        assert source in caption


def test_leaderboard_says_of_each_row_when_on_what_and_with_what(leaderboard):
    data, [table], caption = leaderboard
    assert list(table.header) == [
        *("Method", "Year", "Voc", "Coco", "Nus", "Cub"),
        *("Knows too", "Network", "Settings", "Kind", "Source"),
    ]
    rows = {(row[0], row[8], row[9]): row for row in table.rows}
    crisp = rows["CRISP", "CRISP", "primary"]
    assert (crisp[1], *crisp[6:8]) == ("2025", "–", "ResNet-50")
    assert crisp[2:6] == ["89.820 ± 0.191", "74.640 ± 0.219", "49.996 ± 0.316", "21.650 ± 0.178"]
    assert rows["SCPNet", "–", "primary"][6:8] == ["CLIP", "CLIP ResNet-50"]
    assert rows["MIME", "–", "secondary"][7] == "ResNet-50, label queries"
    assert rows["LL-R + BoostLU", "boostlu", "primary"][2] == "89.29"
    assert rows["AN", "Em", "primary"][2] == "85.89 ± 0.38"
    assert rows["AN", "ll", "primary"][2] == "85.1"
    # Ours under each protocol, with the interval over seeds.
    low, high = (82 + sign * half_width([80, 82, 84]) for sign in (-1, 1))
    assert rows["AN", "Gr", "ours"][2:6] == [f"82.0 ({low:.1f} to {high:.1f})", "–", "–", "–"]
    assert rows["AN", "Gr", "ours"][10] == "–"
    assert rows["AN", "Em", "ours"][2].startswith("80.0 (")
    own = data[(data["kind"] == "ours") & (data["method"] == "an") & (data["protocol"] == "gr")]
    assert own[["map_low", "map_high"]].iloc[0].tolist() == pytest.approx([low, high], abs=1e-6)
    assert "Not run: SMILE, since its released code is for tables of features." in caption
    assert "L1R and L2R, since no description of it was found by us" in caption


def test_leaderboard_goes_from_the_highest_and_marks_what_knows_nothing_more(leaderboard):
    _, [table], _ = leaderboard
    first = [float(row[2].split()[0]) for row in table.rows if row[2] != "–"]
    assert first == sorted(first, reverse=True)
    marked = {mark: table.rows[row] for (row, column), mark in table.marks.items() if column == 2}
    # Of VOC: GR Loss 89.83, CRISP 89.820; above them are CLIP's, and ours on all labels.
    assert [marked[BEST][0], marked[SECOND][0]] == ["GR_1 <x>", "CRISP"]
    names = [row[0] for row in table.rows]
    assert names.index("SCPNet") < names.index("AEVLP") < names.index("GR_1 <x>")


def test_leaderboard_is_set_as_a_paper_sets_it(leaderboard):
    tex = exhibit_path(KEY, ".tex").read_text()
    assert tex.count(r"\begin{table*}") == tex.count(r"\bottomrule")
    assert r"& primary & {}[1] \\" in tex
    assert r"\underline{89.820 $\pm$ 0.191}" in tex


def test_frozen_heads_have_no_row_among_networks_trained_whole(config, monkeypatch):
    write_both()
    config["protocols"]["em"]["training"]["frozen"] = True
    data, *_ = make(KEY, config, monkeypatch)
    assert set(data.loc[data["kind"] == "ours", "protocol"]) == {"gr"}
