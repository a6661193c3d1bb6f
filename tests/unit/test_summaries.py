"""Claims and the summary of what was reproduced, on made-up data of the exhibits they draw on."""

import importlib

import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration
from spml.exhibits.comparison import published_columns, published_numbers
from spml.exhibits.markdown import parse_tables
from spml.exhibits.verdicts import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    SUPPORTED,
    judge,
    overall,
)
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_settings
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
    """Test mAP around ``means``: three equal seeds, images that are independent between methods."""
    random = np.random.default_rng(2)
    path = comparison_path(exhibit, dataset=dataset, protocol=protocol, suffix=".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array(list(means.values()))
    np.savez(
        path,
        methods=np.array(list(means)),
        seed_map=np.repeat(values[:, None], 3, axis=1),
        resampled=values[:, None] + spread * random.normal(size=(len(values), 500)),
        influence=spread * np.eye(len(values)),
    )
    write_checksums(path)


def claims(config, monkeypatch):
    """The data of the claims, their tables and the caption."""
    return make("extra_claims", config, monkeypatch)


def test_a_claim_holds_where_its_whole_interval_says_so(config, monkeypatch):
    means = {"an": 80.0, "bce": 95.0, "em_apl": 82.0, "gr": 90.0, "ll_r": 81.0}
    for dataset in ("voc", "cub"):
        write_resampled("gr_main_table", dataset, "gr", means)
    data, tables, caption = claims(config, monkeypatch)
    # Full labels are no rival: they are other labels.
    most = data[data["number"] == 1].set_index("dataset")
    assert (most["evidence"] == "higher than 3 of 3, lower than 0").all()
    assert (most["verdict"] == SUPPORTED).all()
    # On CUB the claim is the contrary.
    best = data[data["number"] == 2].set_index("dataset")
    assert best["evidence"].str.endswith("for GR_1 <x> over EM_APL").all()
    assert best["verdict"].to_dict() == {"voc": SUPPORTED, "cub": CONTRADICTED}
    [row] = [row for table in tables for row in table.rows if "EM+APL" in row[0]]
    assert row[1] == f"{CONTRADICTED} on Voc and CUB, {NOT_RUN} on COCO and nus"
    assert f"of 12 claims: 1 {SUPPORTED}, 1 {CONTRADICTED} and 10 {NOT_RUN}" in caption
    assert "Elsewhere" not in caption


def test_a_difference_that_may_be_chance_is_inconclusive(config, monkeypatch):
    means = {"an": 80.0, "em_apl": 90.0, "gr": 90.2}
    for dataset in ("voc", "cub"):
        write_resampled("gr_main_table", dataset, "gr", means)
    data, *_ = claims(config, monkeypatch)
    assert set(data.loc[data["number"] == 2, "verdict"]) == {INCONCLUSIVE}
    # One of two is undecided, so that both fewer and all may be beaten.
    most = data[data["number"] == 1]
    assert set(most["evidence"]) == {"higher than 1 of 2, lower than 0, 1 not told apart"}
    assert set(most["verdict"]) == {INCONCLUSIVE}


def test_what_other_datasets_say_is_no_verdict_on_a_paper(config, monkeypatch):
    """Headlines are about the datasets of the papers, whatever else was run."""
    config["select"]["datasets"] = ["digits"]
    config["datasets"] = {"digits": {"title": "Digits"}, **config["datasets"]}
    write_resampled("gr_main_table", "digits", "gr", {"an": 80.0, "em_apl": 90.0, "gr": 70.0})
    data, tables, caption = claims(config, monkeypatch)
    assert set(data.loc[data["number"] == 2, "verdict"]) == {CONTRADICTED}
    for table in tables:
        assert all(row[1].startswith(NOT_RUN) for row in table.rows)
    [row] = [row for table in tables for row in table.rows if "EM+APL" in row[0]]
    assert row[1] == f"{NOT_RUN} on Voc, COCO, nus and CUB"
    assert row[2].startswith("Digits: ")
    assert row[2].endswith(CONTRADICTED)
    own, elsewhere = caption.split("Elsewhere, on Digits, ")
    assert own.endswith(f"On the papers' own datasets, of 12 claims: 12 {NOT_RUN}. ")
    assert elsewhere.startswith(f"of 2 claims: 2 {CONTRADICTED};")


def test_claims_without_runs_say_so(config, monkeypatch):
    config["select"]["methods"] = ["bce"]
    config["select"]["exhibits"] = ["gr_main_table"]
    data, tables, caption = claims(config, monkeypatch)
    assert set(data["verdict"]) == {NOT_RUN}
    assert [table.title for table in tables] == ["Generalized Robust Loss", "Large Loss Matters"]
    assert f"of 12 claims: 12 {NOT_RUN}" in caption


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 2, SUPPORTED), (-2, -0.1, CONTRADICTED), (-1, 1, INCONCLUSIVE), (0, 1, INCONCLUSIVE),
     (np.nan, np.nan, INCONCLUSIVE)],
)  # fmt: skip
def test_the_whole_interval_decides(low, high, verdict):
    assert judge(low, high) == verdict
    assert judge(low + 0.5, high + 0.5, above=0.5) == verdict


def test_the_least_favourable_dataset_decides():
    assert overall([SUPPORTED, CONTRADICTED, INCONCLUSIVE]) == CONTRADICTED
    assert overall([SUPPORTED, INCONCLUSIVE]) == INCONCLUSIVE
    assert overall([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert overall([]) == NOT_RUN


def write_data(key, rows):
    path = exhibit_path(key, ".csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([{**PLACE, **row} for row in rows]).to_csv(path, index=False)
    write_checksums(path)


def differing(difference, half, **columns):
    """A row with a difference to the reference and an interval of this half width."""
    return {
        **columns,
        "difference": difference,
        "difference_low": difference - half,
        "difference_high": difference + half,
    }


# Of each exhibit: number of the claim, rows that bear it out, the evidence as it is printed, and
# what changes in the last rows so that they contradict it.
CASES = {
    "gr_ablation": (
        3,
        [
            {"method": "gr", "difference": None, "differs": ""},
            # Has another k, but no part less; and differs in nothing where q3 is 1 already.
            differing(0.3, 0.1, method="gr_learned_k", differs="loss"),
            differing(0.0, 0.0, method="gr_l3_mae", differs=None),
            differing(-2.0, 0.5, method="gr_without_v", differs="σ = ∞"),
            differing(-0.5, 0.2, method="gr_constant_k", differs="w = 0"),
        ],
        "+0.5 (+0.3 to +0.7) for GR_CONSTANT_K",
        differing(0.5, 0.2),
    ),
    "gr_separation_table": (
        4,
        [{"method": "an", "difference": None}, differing(0.25, 0.1, method="gr")],
        "+0.250 (+0.150 to +0.350)",
        differing(-0.25, 0.1),
    ),
    "gr_false_negative_rate": (
        5,
        [
            {"method": "gr", "moment": "start", "area": 0.4, "area_low": 0.3, "area_high": 0.45},
            {"method": "gr", "moment": "end", "area": 0.8, "area_low": 0.7, "area_high": 0.9},
        ],
        "0.800 (0.700 to 0.900)",
        {"area": 0.4, "area_low": 0.3, "area_high": 0.45},
    ),
    "ll_memorisation_table": (
        6,
        [
            {
                "entries": "true_negatives",
                "phase": "warmup",
                "share_mean": 90.7,
                "share_low": 90,
                "share_high": 91,
            },
            {
                "entries": "false_negatives",
                "phase": "regular",
                "share_mean": 72.2,
                "share_low": 70,
                "share_high": 74,
            },
        ],
        "91 (90 to 91) % of true negatives early, 72 (70 to 74) % of false negatives late",
        {"share_mean": 45.0, "share_low": 44.0, "share_high": 46.0},
    ),
    "ll_corrections": (
        7,
        [
            {"method": "ll_r", "epoch": 1, "entries": 0, "precision": None},
            {"method": "ll_r", "epoch": 3, "entries": 1000, "precision": 20.0},
            {"method": "ll_r", "epoch": 2, "entries": 1000, "precision": 80.0},
        ],
        # 80 plus and minus 1.96 times sqrt(0.8 * 0.2 / 1000).
        "80 (78 to 82) % in epoch 2",
        {"precision": 40.0},
    ),
    "ll_openimages": (
        10,
        [
            {"method": "an", "metric": "test_map", "difference": None},
            differing(-9.0, 1.0, method="ll_r", metric="test_map_g1"),
            differing(0.5, 0.2, method="ll_r", metric="test_map"),
        ],
        "+0.5 (+0.3 to +0.7) for LL_R",
        differing(-0.5, 0.2),
    ),
    "ll_pointing_game": (
        11,
        [{"method": "an", "difference": None}, differing(4.8, 1.0, method="ll_r")],
        "+4.8 (+3.8 to +5.8) for LL_R",
        differing(-4.8, 1.0),
    ),
    "ll_labelling_efficiency": (
        12,
        [
            {"method": "an", "percent": 20, "difference": None},
            differing(3.0, 1.0, method="ll_ct", percent=20),
            differing(1.0, 0.5, method="ll_ct", percent=100),
        ],
        "+1.0 (+0.5 to +1.5) at 100 % of images",
        differing(-1.0, 0.5),
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
    config["exhibits"][key]["seeds"] = [0]
    write_data(key, rows)
    data, *_ = claims(config, monkeypatch)
    [found] = data[data["number"] == number].to_dict("records")
    assert (found["evidence"], found["verdict"]) == (f"{evidence}, one seed", SUPPORTED)
    assert set(data[data["number"] != number]["verdict"]) == {NOT_RUN}
    # The last row of the data decides what it is compared with.
    write_data(key, [*rows[:-1], {**rows[-1], **contrary}])
    data, *_ = claims(config, monkeypatch)
    assert data.set_index("number").loc[number, "verdict"] == CONTRADICTED


def test_seeds_that_reject_the_same_entries_know_no_more_of_them_than_one(config, monkeypatch):
    config["select"]["exhibits"] = ["ll_corrections"]
    config["exhibits"]["ll_corrections"]["methods"] = ["ll_r"]
    row = {"method": "ll_r", "epoch": 2, "entries": 100, "precision": 58.0}
    write_data("ll_corrections", [{**row, "seed": seed} for seed in (0, 1, 2)])
    data, *_ = claims(config, monkeypatch)
    [found] = data[data["number"] == 7].to_dict("records")
    # 58 plus and minus 1.96 times sqrt(0.58 * 0.42 / 100).
    assert found["evidence"].startswith("58 (48 to 68) % in epoch 2")
    assert found["verdict"] == INCONCLUSIVE


def test_large_loss_need_not_be_best_on_nus_with_linear_init(config, monkeypatch):
    """Its own table has ROLE ahead there, 51.0 to 49.6, and behind on the others."""
    config["select"] |= {"datasets": ["voc", "nus"], "exhibits": ["ll_partial_labels"]}
    config["datasets"].setdefault("nus", {"title": "NUS"})
    protocols = ["ll", "ll_linear_init"]
    config["select"]["protocols"] = protocols
    for name in protocols:
        config["protocols"].setdefault(name, config["protocols"]["gr"] | {"title": name})
    for name in ("role", "ll_cp"):
        config["methods"].setdefault(name, {"title": name.upper(), "loss": name})
    means = {"an": 42.0, "role": 47.0, "ll_r": 48.6}
    for dataset in ("voc", "nus"):
        write_resampled("ll_partial_labels", dataset, "ll", means, spread=0.1)
        ahead = {**means, "role": 51.0 if dataset == "nus" else 47.0}
        write_resampled("ll_partial_labels", dataset, "ll_linear_init", ahead, spread=0.1)
    config["exhibits"]["ll_partial_labels"] |= {"methods": list(means), "protocols": protocols}
    data, *_ = claims(config, monkeypatch)
    best = data[data["number"] == 9]
    assert len(best) == 4
    assert set(best["verdict"]) == {SUPPORTED}


def test_a_difference_without_an_interval_leaves_a_claim_open(config, monkeypatch):
    config["select"]["exhibits"] = ["ll_openimages"]
    config["exhibits"]["ll_openimages"]["methods"] = ["an", "ll_r"]
    rows = [
        {"method": "an", "metric": "test_map", "difference": None},
        {**differing(2.0, 1.0, method="ll_r", metric="test_map"), "difference_low": None, "difference_high": None},
    ]  # fmt: skip
    write_data("ll_openimages", rows)
    data, *_ = claims(config, monkeypatch)
    [found] = data[data["number"] == 10].to_dict("records")
    assert found["evidence"] == "+2.0 (no interval) for LL_R"
    assert found["verdict"] == INCONCLUSIVE


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
