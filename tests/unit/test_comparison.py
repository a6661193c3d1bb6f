"""Tables with published numbers beside ours, on made-up runs of datasets with the papers' names."""

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration, write_comparisons, write_results
from spml import collect
from spml.exhibits.markdown import BEST, SECOND, parse_tables
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import exhibit_path, run_path, table_path
from spml.plumbing.errors import UserError

GROUPS = [np.array([0]), np.array([1, 2])]


def make(key, config, monkeypatch):
    """Run collect and the exhibit as their rules do; return its data and tables."""
    settings = json.dumps(json.loads(compact_json(exhibit_settings(config, key))))
    paper, name = key.split("_", 1)
    write_comparisons(config, key)
    for module, *arguments in (
        ("spml.collect", "--output", str(table_path(paper, name))),
        (f"spml.exhibits.{key}", "--output-directory", str(exhibit_path(key, "").parent)),
    ):
        monkeypatch.setattr("sys.argv", [module, "--settings", settings, *arguments])
        importlib.import_module(module).main()
    data = pd.read_csv(exhibit_path(key, ".csv"), dtype={"published": "str"})
    return data, parse_tables(exhibit_path(key, ".md").read_text())


def caption_of(key):
    return exhibit_path(key, ".caption.txt").read_text()


def finish(config, tmp_path, monkeypatch, groups=()):
    monkeypatch.chdir(tmp_path)
    for exhibit in ("ll_partial_labels", "ll_openimages"):
        config["exhibits"][exhibit]["methods"] = "selected"
    write_results(config, groups)
    return config


def mean_of(dataset, protocol, method, measure=lambda test: test["map"]):
    return np.mean(
        [
            measure(json.loads((run_path(dataset, protocol, method, seed) / "metrics.json").read_text())["test"])
            for seed in (0, 1, 2)
        ]
    )  # fmt: skip


@pytest.fixture
def main_table(tmp_path, monkeypatch):
    config = configuration(
        datasets=("voc", "alpha"), protocols=("gr",), methods=("bce", "an", "gr", "wan")
    )
    config["methods"]["wan"] = {"title": "WAN", "loss": "wan"}
    return make("gr_main_table", finish(config, tmp_path, monkeypatch), monkeypatch)


@pytest.fixture
def partial_labels(tmp_path, monkeypatch):
    config = configuration(datasets=("voc", "nus"), protocols=("ll", "ll_linear_init"))
    return make("ll_partial_labels", finish(config, tmp_path, monkeypatch), monkeypatch)


# --- GR's main table ------------------------------------------------------------------------------


def test_no_published_number_stands_beside_heads_on_frozen_features(tmp_path, monkeypatch):
    """The papers train the whole network; beside that they do stand, in the same table."""
    config = configuration(datasets=("voc",), protocols=("gr", "linear"))
    config["protocols"]["linear"]["training"]["frozen"] = True
    data, _ = make("gr_main_table", finish(config, tmp_path, monkeypatch), monkeypatch)
    published = data["published"].notna().groupby(data["protocol"]).any()
    assert published.to_dict() == {"gr": True, "linear": False}
    assert "Linear, linear heads on frozen features" in caption_of("gr_main_table")


def test_published_numbers_stand_beside_ours_with_kind_and_difference(main_table):
    data, tables = main_table
    assert [table.title for table in tables] == ["Voc", "Alpha"]
    header = ["Method", "mAP (%)", "Seeds", "Published", "Ours minus published"]
    assert list(tables[0].header)[:5] == header
    rows = {row[0]: row for row in tables[0].rows}
    assert rows["GR_1 <x>"][3] == "89.83 (secondary)"
    assert rows["AN"][3] == "85.89 ± 0.38 (primary)"
    ours = mean_of("voc", "gr", "gr")
    assert rows["GR_1 <x>"][4].replace("−", "-") == f"{ours - 89.83:+.1f}"
    cell = data[(data["dataset"] == "voc") & (data["method"] == "gr")].iloc[0]
    assert cell["published_difference"] == pytest.approx(ours - 89.83)
    assert cell["published_source"].startswith("AEVLP, ICCV 2025")


UNDER = {"em": ["an", "em"], "boostlu": ["an", "ll_r"]}


def across_protocols(tmp_path, monkeypatch, protocols):
    """GR's table with some methods under further protocols, and one that is published alone."""
    config = configuration(
        datasets=("voc",), protocols=protocols, methods=("an", "em", "ll_r", "gr")
    )
    for name in ("em", "ll_r"):
        config["methods"][name] = {"title": name.upper(), "loss": name}
    config["exhibits"]["gr_main_table"] |= {
        "methods_under": UNDER,
        "published_only": {"vlpl": {"title": "VLPL", "reason": "it needs CLIP"}},
    }
    return make("gr_main_table", finish(config, tmp_path, monkeypatch), monkeypatch)


def test_a_published_number_stands_beside_the_run_under_its_own_protocol(tmp_path, monkeypatch):
    data, tables = across_protocols(tmp_path, monkeypatch, ("gr", "em", "boostlu"))
    assert [table.title for table in tables] == ["Voc, Gr", "Voc, Em", "Voc, Boostlu"]
    published = [{row[0]: row[3] for row in table.rows} for table in tables]
    assert published == [
        {
            **{"AN": "", "EM": "", "LL_R": ""},
            **{"GR_1 <x>": "89.83 (secondary)", "VLPL": "89.10 (primary)"},
        },
        {"AN": "85.89 ± 0.38 (primary)", "EM": "89.09 ± 0.17 (primary)"},
        {"AN": "", "LL_R": "88.27 (secondary)"},
    ]
    compared = data[data["published_difference"].notna()].set_index(["protocol", "method"])
    assert len(compared) == 4
    for (protocol, method), row in compared.iterrows():
        assert row["published_protocol"] == protocol
        ours = mean_of("voc", protocol, method)
        assert row["published_difference"] == pytest.approx(ours - float(row["published"]))
    assert "between protocols" not in caption_of("gr_main_table")
    # Nothing is collected or compared of runs that the table does not show.
    collected = pd.read_csv(table_path("gr", "main_table"))
    runs = collected[["protocol", "method"]].drop_duplicates().groupby("protocol")["method"]
    assert runs.apply(sorted).to_dict() == {
        "gr": ["an", "em", "gr", "ll_r"], "em": ["an", "em"], "boostlu": ["an", "ll_r"],
    }  # fmt: skip
    difference = compared.loc[("em", "em"), "difference"]
    assert difference == pytest.approx(mean_of("voc", "em", "em") - mean_of("voc", "em", "an"))


def test_a_published_number_without_a_run_under_its_protocol_says_so(tmp_path, monkeypatch):
    data, [table] = across_protocols(tmp_path, monkeypatch, ("gr",))
    assert {row[0]: row[3] for row in table.rows}["AN"] == "85.89 ± 0.38 (primary)"
    assert data["published_difference"].notna().sum() == 4
    text = caption_of("gr_main_table")
    assert " 3 of the 4 differences to published numbers are also between protocols" in text


def test_missing_published_numbers_stay_empty_and_the_caption_says_so(main_table):
    data, tables = main_table
    assert {row[0]: row[3:5] for row in tables[0].rows}["WAN"] == ["", ""]
    assert all(row[3:5] == ["", ""] for row in tables[1].rows)
    assert data.loc[data["dataset"] == "alpha", "published"].isna().all()
    text = caption_of("gr_main_table")
    assert "Empty cells: no published value available." in text
    assert "primary (by the authors of the table) and secondary (reprinted" in text
    assert "Zhou et al., ECCV 2022" in text
    assert "digitised" not in text


def test_methods_that_are_published_but_not_run_stand_below_ours_with_the_reason(
    tmp_path, monkeypatch
):
    config = configuration(datasets=("voc", "alpha"), protocols=("gr",), methods=("an", "gr"))
    config["exhibits"]["gr_main_table"]["published_only"] = {
        "crisp": {"title": "CRISP", "reason": "its loss is not known to us"},
        "vlpl": {"title": "VLPL", "reason": "it needs CLIP"},
        "aevlp": {"title": "AEVLP", "reason": "it needs CLIP"},
    }
    data, tables = make("gr_main_table", finish(config, tmp_path, monkeypatch), monkeypatch)
    rows = tables[0].rows
    assert [row[0] for row in rows] == ["AN", "GR_1 <x>", "AEVLP", "CRISP", "VLPL"]
    assert rows[2][1:5] == ["–", "–", "90.46 (primary)", ""]
    assert rows[3][1:5] == ["–", "–", "89.820 ± 0.191 (primary)", ""]
    assert set(tables[0].marks) <= {(0, 1), (1, 1)}
    # Nothing is published on the other dataset.
    assert [row[0] for row in tables[1].rows] == ["AN", "GR_1 <x>"]
    assert data.loc[data["method"] == "crisp", "map_mean"].isna().all()
    text = caption_of("gr_main_table")
    assert "Not run: CRISP, since its loss is not known to us." in text
    assert "Not run: AEVLP and VLPL, since it needs CLIP." in text


def test_nothing_is_said_of_methods_that_are_published_elsewhere(tmp_path, monkeypatch):
    config = finish(configuration(), tmp_path, monkeypatch)
    only = {"crisp": {"title": "CRISP", "reason": "its loss is not known to us"}}
    config["exhibits"]["gr_main_table"]["published_only"] = only
    make("gr_main_table", config, monkeypatch)
    assert "CRISP" not in exhibit_path("gr_main_table", ".md").read_text()
    assert "CRISP" not in caption_of("gr_main_table")


def test_table_without_published_numbers_has_no_columns_for_them(tmp_path, monkeypatch):
    config = finish(configuration(), tmp_path, monkeypatch)
    _, [table] = make("gr_main_table", config, monkeypatch)
    assert list(table.header) == [
        "Method", "mAP (%)", "Seeds", "Difference to AN", "95 % interval",
    ]  # fmt: skip
    assert "ublished" not in caption_of("gr_main_table")


def test_ambiguous_published_number_is_a_sentence(tmp_path, monkeypatch):
    config = configuration(datasets=("voc",), protocols=("gr",), methods=("an", "gr"))
    finish(config, tmp_path, monkeypatch)
    path = Path("config/published/gr_main_table.csv")
    with path.open("a") as file:
        file.write("gr,main_table,gr,voc,gr,test_map,90.0,,secondary,Another,\n")
    with pytest.raises(UserError, match=r"gr_main_table\.csv: gr voc test_map has 2 values"):
        make("gr_main_table", config, monkeypatch)


# --- LL's tables ----------------------------------------------------------------------------------


def test_protocols_are_columns_and_datasets_are_blocks(partial_labels):
    _, tables = partial_labels
    assert [table.title for table in tables] == ["Voc", "Nus"]
    assert list(tables[0].header) == [
        "Method", "Seeds",
        "Ll: mAP (%)", "Ll: published", "Ll: difference",
        "Ll_Linear_Init: mAP (%)", "Ll_Linear_Init: published", "Ll_Linear_Init: difference",
    ]  # fmt: skip
    rows = {row[0]: row for row in tables[0].rows}
    assert rows["AN"][1] == "3"
    assert (rows["AN"][3], rows["AN"][6]) == ("85.1 (primary)", "86.9 (primary)")
    ours = mean_of("voc", "ll_linear_init", "an")
    assert rows["AN"][7].replace("−", "-") == f"{ours - 86.9:+.1f}"
    assert {row[0]: row[3] for row in tables[1].rows}["Full labels"] == "54.5 (primary)"
    assert rows["GR_1 <x>"][3] == ""
    assert "on Cole's subset of NUS" in caption_of("ll_partial_labels")


def test_best_is_marked_among_ranked_methods_of_each_protocol(partial_labels):
    _, tables = partial_labels
    for column, protocol in ((2, "ll"), (5, "ll_linear_init")):
        means = {method: mean_of("voc", protocol, method) for method in ("an", "gr")}
        best = 1 if means["an"] > means["gr"] else 2
        assert tables[0].marks[best, column] == BEST
        assert tables[0].marks[3 - best, column] == SECOND
    assert all(row > 0 for row, _ in tables[0].marks)  # not the method with full labels


def test_partial_labels_of_one_protocol_and_nothing_published(tmp_path, monkeypatch):
    config = finish(configuration(seeds=(4,)), tmp_path, monkeypatch)
    _, [table] = make("ll_partial_labels", config, monkeypatch)
    assert list(table.header) == ["Method", "Seeds", "mAP (%)"]
    assert table.title == ""


def test_protocol_that_is_not_for_a_dataset_leaves_dashes(tmp_path, monkeypatch):
    config = configuration(datasets=("voc", "alpha"), protocols=("ll", "demo"))
    config["protocols"]["ll"]["only"] = ["voc"]
    config["protocols"]["demo"]["only"] = ["alpha"]
    finish(config, tmp_path, monkeypatch)
    data, tables = make("ll_partial_labels", config, monkeypatch)
    assert len(data) == 6
    assert tables[0].rows[1][5] == "–"
    assert tables[1].rows[1][2:5] == ["–", "", ""]


def test_openimages_shows_groups_in_order_and_methods_that_are_only_published(
    tmp_path, monkeypatch
):
    config = configuration(datasets=("openimages",), protocols=("ll_openimages",))
    finish(config, tmp_path, monkeypatch, GROUPS)
    data, tables = make("ll_openimages", config, monkeypatch)
    assert [table.title for table in tables] == [
        "Openimages", "Openimages, published", "Openimages, ours minus published",
    ]  # fmt: skip
    assert all(list(table.header) == ["Method", "G1", "G2", "All"] for table in tables)
    own, published, differences = ({row[0]: row[1:] for row in table.rows} for table in tables)
    assert published["AN"] == ["77.1 (primary)", "78.7 (primary)", "82.0 (primary)"]
    assert published["IMCL"] == ["71.0 (primary)", "72.6 (primary)", "78.1 (primary)"]
    assert "IMCL" not in own
    second = mean_of("openimages", "ll_openimages", "an", lambda test: sum(test["ap"][1:]) / 2)
    assert own["AN"][1].startswith(f"{second:.1f} ± ")
    assert differences["AN"][1].replace("−", "-") == f"{second - 78.7:+.1f}"
    only = data[data["method"] == "curriculum"]
    assert only["map_mean"].isna().all()
    assert (only["seeds"] == 0).all()
    text = caption_of("ll_openimages")
    assert "Not run: Curriculum and IMCL, since the code of LL does not contain it." in text
    assert "G1 to G2: groups of equally many classes" in text
    assert "not ranked: Full labels" in text


def test_openimages_on_a_dataset_without_groups_shows_all_classes(tmp_path, monkeypatch):
    config = finish(configuration(), tmp_path, monkeypatch)
    _, [table] = make("ll_openimages", config, monkeypatch)
    assert list(table.header) == ["Method", "All"]
    assert [row[0] for row in table.rows] == ["Full labels", "AN", "GR_1 <x>"]
    text = caption_of("ll_openimages")
    assert "classes form no groups" in text
    assert "IMCL" not in text


def test_exhibit_of_which_nothing_is_selected_says_so(tmp_path, monkeypatch):
    config = finish(configuration(), tmp_path, monkeypatch)
    config["protocols"]["ll"] = config["protocols"]["demo"]
    config["exhibits"]["ll_openimages"]["protocols"] = ["ll"]
    with pytest.raises(UserError, match="ll_openimages has nothing to show"):
        make("ll_openimages", config, monkeypatch)


def test_groups_are_collected_as_metrics_of_their_own():
    metrics = {
        "val": {"map": 1.0},
        "test": {"map": 3.0, "ap": [2.0, None], "group_map": [2.0, 4.0]},
        "selected_epoch": 1,
    }
    found = dict(collect.run_metrics(metrics, ("a", "b")))
    assert found == {
        "test_map": 3.0, "val_map": 1.0, "selected_epoch": 1,
        "test_map_g1": 2.0, "test_map_g2": 4.0, "test_ap_a": 2.0, "test_ap_b": None,
    }  # fmt: skip
