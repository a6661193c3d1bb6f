"""Claims and the summary of what was reproduced, on made-up data of the exhibits they draw on."""

import importlib

import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration
from spml.exhibits.comparison import published_columns, published_numbers
from spml.exhibits.extra_claims import NOT_RUN, NOT_SUPPORTED, SUPPORTED, overall
from spml.exhibits.markdown import parse_tables
from spml.planning.configuration import compact_json, exhibit_settings
from spml.plumbing.addresses import comparison_path, exhibit_path
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError

METHODS = ("bce", "an", "em_apl", "gr", "ll_r")
PLACE = {"dataset": "voc", "protocol": "gr"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(datasets=("voc", "cub"), protocols=("gr",), methods=METHODS)
    for name in METHODS:
        config["methods"].setdefault(name, {"title": name.upper(), "loss": name})
    config["datasets"] |= {name: {"title": name.upper()} for name in ("coco", "cub")}
    config["select"]["exhibits"] = ["gr_main_table"]
    return config


def make(key, config, monkeypatch):
    """Run the command of an exhibit as its rule does; return its data, tables and caption."""
    settings = compact_json(exhibit_settings(config, key))
    directory = str(exhibit_path(key, "").parent)
    monkeypatch.setattr("sys.argv", [key, "--settings", settings, "--output-directory", directory])
    importlib.import_module(f"spml.exhibits.{key}").main()
    tables = parse_tables(exhibit_path(key, ".md").read_text())
    return (
        pd.read_csv(exhibit_path(key, ".csv"), dtype={"evidence": "str"}),
        tables,
        exhibit_path(key, ".caption.txt").read_text(),
    )


# --- claims ---------------------------------------------------------------------------------------


def write_resampled(exhibit, dataset, protocol, means, spread=1.0):
    """Resampled mAP around ``means``, independent between methods."""
    random = np.random.default_rng(2)
    path = comparison_path(exhibit, dataset=dataset, protocol=protocol, suffix=".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array(list(means.values()))
    np.savez(
        path,
        methods=np.array(list(means)),
        map=values,
        resampled=values[:, None] + spread * random.normal(size=(len(values), 500)),
    )
    write_checksums(path)


def claims(config, monkeypatch):
    """The claims whose evidence there is, by their first words."""
    data, tables, caption = make("extra_claims", config, monkeypatch)
    return data, tables, caption


def test_a_claim_holds_where_its_whole_interval_says_so(config, monkeypatch):
    means = {"an": 80.0, "bce": 95.0, "em_apl": 82.0, "gr": 90.0, "ll_r": 81.0}
    for dataset in ("voc", "cub"):
        write_resampled("gr_main_table", dataset, "gr", means)
    data, tables, caption = claims(config, monkeypatch)
    best = data[data["number"] == 1].set_index("dataset")
    # Full labels are no rival: they are other labels. On CUB the claim is the contrary.
    assert best["evidence"].str.endswith("for GR_1 <x> over EM_APL").all()
    assert best["verdict"].to_dict() == {"voc": SUPPORTED, "cub": NOT_SUPPORTED}
    [row] = [row for table in tables for row in table.rows if "all other methods" in row[0]]
    assert row[1] == NOT_SUPPORTED
    assert "CUB" in row[2]
    assert f"10 {NOT_RUN}" in caption
    assert "runs on Voc and CUB" in caption


def test_a_difference_that_may_be_chance_supports_nothing(config, monkeypatch):
    write_resampled("gr_main_table", "voc", "gr", {"an": 80, "em_apl": 90.0, "gr": 90.2}, 1.0)
    write_resampled("gr_main_table", "cub", "gr", {"an": 80, "em_apl": 90.0, "gr": 90.2}, 1.0)
    data, *_ = claims(config, monkeypatch)
    found = data[data["number"] == 2].set_index("dataset")["verdict"].to_dict()
    assert found == {"voc": NOT_SUPPORTED, "cub": SUPPORTED}


def test_claims_without_runs_say_so(config, monkeypatch):
    config["select"]["methods"] = ["bce"]
    config["select"]["exhibits"] = ["gr_main_table"]
    data, tables, caption = claims(config, monkeypatch)
    assert set(data["verdict"]) == {NOT_RUN}
    assert [table.title for table in tables] == ["Generalized Robust Loss", "Large Loss Matters"]
    assert "no runs" in caption


def test_one_contrary_dataset_decides():
    assert overall([SUPPORTED, NOT_SUPPORTED]) == NOT_SUPPORTED
    assert overall([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert overall([NOT_RUN]) == NOT_RUN


def write_data(key, rows):
    path = exhibit_path(key, ".csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([{**PLACE, **row} for row in rows]).to_csv(path, index=False)
    write_checksums(path)


CASES = {
    "gr_ablation": (
        3,
        [
            {"method": "gr", "difference": None, "differs": ""},
            {"method": "gr_without_v", "difference": -2.0, "differs": "σ = ∞"},
            {"method": "gr_constant_k", "difference": -0.5, "differs": "w = 0"},
            # Has another k, but no part less; and differs in nothing where q3 is 1 already.
            {"method": "gr_learned_k", "difference": 0.3, "differs": "loss"},
            {"method": "gr_l3_mae", "difference": 0.0, "differs": ""},
        ],
        "+0.5 (GR_CONSTANT_K)",
        {"difference": 0.1},
    ),
    "gr_separation_table": (
        4,
        [
            {"method": "an", "distance_mean": 0.2},
            {"method": "gr", "distance_mean": 0.45},
        ],
        "+0.250",
        {"distance_mean": 0.1},
    ),
    "gr_false_negative_rate": (
        5,
        [
            {"moment": moment, "low": low / 10, "rate": rate if moment == "end" else 1 - rate}
            for moment in ("start", "end")
            for low, rate in enumerate((0.1, 0.2, 0.15, 0.4, 0.9))
        ],
        "+0.90",
        None,
    ),
    "ll_memorisation_table": (
        6,
        [
            {"entries": "true_negatives", "phase": "warmup", "share_mean": 90.7},
            {"entries": "false_negatives", "phase": "regular", "share_mean": 72.2},
        ],
        "91 % of true negatives early, 72 % of false negatives late",
        {"share_mean": 49.0},
    ),
    "ll_corrections": (
        7,
        [
            {"method": "ll_r", "epoch": 1, "entries": 0, "precision": None},
            {"method": "ll_r", "epoch": 2, "entries": 10, "precision": 80.0},
            {"method": "ll_r", "epoch": 3, "entries": 10, "precision": 20.0},
        ],
        "80 % in epoch 2",
        {"precision": 40.0},
    ),
    "ll_openimages": (
        10,
        [
            {"method": "an", "metric": "test_map", "map_mean": 82.0},
            {"method": "ll_r", "metric": "test_map", "map_mean": 82.5},
            {"method": "ll_r", "metric": "test_map_g1", "map_mean": 1.0},
        ],
        "+0.5 for LL_R",
        {"map_mean": 82.0},
    ),
    "ll_pointing_game": (
        11,
        [
            {"method": "an", "accuracy_mean": 78.9},
            {"method": "ll_r", "accuracy_mean": 83.7},
        ],
        "+4.8 for LL_R",
        {"accuracy_mean": 50.0},
    ),
    "ll_labelling_efficiency": (
        12,
        [
            {"method": "an", "percent": 20, "mean": 60.0},
            {"method": "an", "percent": 100, "mean": 70.0},
            {"method": "ll_ct", "percent": 20, "mean": 63.0},
            {"method": "ll_ct", "percent": 100, "mean": 71.0},
        ],
        "+1.0 at 100 % of images",
        {"mean": 60.0},
    ),
}


@pytest.mark.parametrize("key", CASES)
def test_claim_is_checked_on_the_data_of_its_exhibit(key, config, monkeypatch):
    number, rows, evidence, contrary = CASES[key]
    config["select"]["exhibits"] = [key]
    methods = dict.fromkeys([*METHODS, *(row["method"] for row in rows if "method" in row)])
    for name in methods:
        config["methods"].setdefault(name, {"title": name.upper(), "loss": name})
    config["exhibits"][key]["methods"] = list(methods)
    write_data(key, rows)
    data, *_ = claims(config, monkeypatch)
    [found] = data[data["number"] == number].to_dict("records")
    assert (found["evidence"], found["verdict"]) == (evidence, SUPPORTED)
    assert set(data[data["number"] != number]["verdict"]) == {NOT_RUN}
    # The last row of the data decides what it is compared with.
    changed = {"rate": 0.0} if contrary is None else contrary
    write_data(key, [rows[0], *({**row, **changed} for row in rows[1:])])
    data, *_ = claims(config, monkeypatch)
    assert data.set_index("number").loc[number, "verdict"] == NOT_SUPPORTED


def test_resamples_that_something_else_has_changed_are_refused(config, monkeypatch):
    write_resampled("gr_main_table", "voc", "gr", {"an": 86.5, "gr": 90.0})
    path = comparison_path("gr_main_table", dataset="voc", protocol="gr", suffix=".npz")
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(UserError, match=f"{path} is not as it was written"):
        claims(config, monkeypatch)


# --- what was reproduced --------------------------------------------------------------------------

OWN = {"an": (86.2, 0.3), "gr": (88.0, 0.4), "ll_r": (88.0, None), "em_apl": (89.19, None)}
HEADER = "paper,exhibit,method,dataset,protocol,metric,value,std,kind,source,note\n"


@pytest.fixture
def summary(config, monkeypatch):
    """Six published numbers, four of which were run."""
    return summarise(config, monkeypatch, "voc", OWN)


def summarise(config, monkeypatch, dataset, own):
    """The summary of six published numbers and of ours on a dataset."""
    published = exhibit_path("gr_main_table", ".csv").parents[3] / "config/published"
    published.mkdir(parents=True)
    lines = [
        "gr,main_table,an,voc,em,test_map,85.89,0.38,secondary,A poster,",
        "gr,main_table,gr,voc,gr,test_map,89.83,,secondary,A table,",
        "gr,main_table,ll_r,voc,em,test_map,88.27,,secondary,A table,",
        "gr,main_table,em_apl,voc,em,test_map,89.19,0.31,secondary,A poster,",
        "gr,main_table,gr,coco,gr,test_map,73.17,,secondary,A table,",
        "gr,main_table,gr,cub,gr,test_map,21.64,,secondary,A table,",
    ]
    (published / "gr_main_table.csv").write_text(HEADER + "\n".join(lines) + "\n")
    numbers = published_numbers({"paper": "gr", "name": "main_table"})
    write_data(
        "gr_main_table",
        [
            {
                "method": method,
                "dataset": dataset,
                "protocol": "gr",
                **published_columns(
                    numbers, mean, deviation, method=method, dataset=dataset, metric="test_map"
                ),
            }
            for method, (mean, deviation) in own.items()
        ],
    )
    return make("extra_reproduction_summary", config, monkeypatch)


def test_each_published_number_has_its_verdict(summary):
    data, *_ = summary
    found = {(row["method"], row["dataset"]): row for row in data.to_dict("records")}
    assert {place: row["verdict"] for place, row in found.items()} == {
        ("an", "voc"): "within",
        ("gr", "voc"): "outside",
        ("ll_r", "voc"): "uncertainty unknown",
        ("em_apl", "voc"): "within",
        ("gr", "coco"): "not run",
        ("gr", "cub"): "not run",
    }
    # By hand: two deviations of a difference, and half of the last digit.
    assert found["an", "voc"]["uncertainty"] == pytest.approx(2 * (0.38**2 + 0.3**2) ** 0.5 + 0.005)
    assert found["gr", "voc"]["uncertainty"] == pytest.approx(2 * (2 * 0.4**2) ** 0.5 + 0.005)
    assert found["gr", "voc"]["difference"] == pytest.approx(88.0 - 89.83)
    assert found["gr", "voc"]["ours"] == pytest.approx(88.0)


def test_coverage_counts_what_was_run(summary):
    _, [coverage, cells], caption = summary
    assert [list(row) for row in coverage.rows] == [
        ["Main comparison", "Voc", "4", "4", "2", "1", "1", "−0.4"],
        ["Main comparison", "COCO and CUB", "2", "0", "–", "–", "–", "–"],
    ]
    assert len(cells.rows) == 4
    assert "Of 6 published numbers of the exhibits shown, 4 were run here" in caption
    assert "2 within the combined uncertainty, 1 outside it, 1 of unknown" in caption


def test_number_of_another_protocol_than_ours_is_marked(summary):
    _, [_, cells], caption = summary
    place = cells.header.index("Protocol")
    assert {row[2]: row[place] for row in cells.rows} == {
        "AN": "em, here Gr",
        "GR_1 <x>": "Gr",
        "LL_R": "em, here Gr",
        "EM_APL": "em, here Gr",
    }
    assert "3 were published under another protocol than that of our runs" in caption


def test_what_was_run_comes_first(config, monkeypatch):
    _, [coverage, cells], _ = summarise(config, monkeypatch, "cub", {"gr": (21.0, None)})
    assert [row[1:4] for row in coverage.rows] == [["CUB", "1", "1"], ["Voc and COCO", "5", "0"]]
    assert len(cells.rows) == 1


def test_summary_of_what_nobody_has_published_is_one_sentence(config, monkeypatch):
    _, tables, caption = summarise(config, monkeypatch, "digits", OWN)
    assert [table.title for table in tables] == ["Coverage"]
    assert caption == (
        "None of the 6 published numbers of the exhibits shown is of what was run here, on Voc and "
        "CUB.\n"
    )
