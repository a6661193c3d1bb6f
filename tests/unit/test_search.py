"""The search for hyperparameters: what competes, what is chosen by what, and what is left of it."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from spml import choose
from spml.exhibits import extra_search, extra_search_curves, extra_selection
from spml.exhibits.style import style_context
from spml.planning import preflight
from spml.planning.configuration import compact_json, run_settings
from spml.planning.files import named_files, update
from spml.planning.grids import expand
from spml.planning.search import search_settings, searched_runs
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import CHOSEN, SEARCH_TABLE, run_path, table_path
from spml.plumbing.checksums import RUN_CHECKSUMS, write_checksums
from spml.plumbing.errors import UserError
from spml.plumbing.files import write_json, write_json_lines

DOCUMENTS = [yaml.load(Path(path).read_text(), Loader=yaml.CSafeLoader) for path in named_files()]
BETA = [[0, 2, -2, -2], [0, 6, -2, -4]]
MINE = {
    "methods": {
        "gr_search": {
            "extends": "gr",
            "training": {
                "weight_decay": 0.1,
                "linear_init": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            },
            "grid": {
                "hyperparameters.beta": BETA,
                "training.learning_rate": [1e-4, 1e-5],
                "training.linear_init.epochs": [2],
            },
        },
        "ll_search": {"extends": "ll_r", "grid": {"hyperparameters.delta_rel": [1, 2]}},
        "ll_wide": {"extends": "ll_r", "grid": {"hyperparameters.delta_rel": [9]}},
    },
    "select": {"methods": ["an", "gr_search", "ll_search", "ll_wide"], "seeds": [0, 1]},
}
FIRST, SECOND, THIRD = "ll_search_delta_rel_1", "ll_search_delta_rel_2", "ll_wide_delta_rel_9"
# Best validation mAP of both seeds on true labels, and on observed ones.
SCORES = {
    FIRST: ((80, 82), (52, 50)),
    SECOND: ((79, 84), (50, 51)),
    THIRD: ((81, 82), (51, 51)),
}


def configured(*changes: dict) -> dict:
    """The shipped configuration with a search and further changes, as Snakemake has it."""
    config: dict = {}
    for document in (*DOCUMENTS, MINE, *changes):
        update(config, copy.deepcopy(document))
    return expand(config)


OBSERVED = {
    "protocols": {
        "observed": {
            **copy.deepcopy(configured()["protocols"]["demo"]),
            "title": "Observed",
        }
    },
    "select": {"protocols": ["demo", "observed"]},
}
OBSERVED["protocols"]["observed"]["training"]["selection"] = "observed"


def write_runs(config, scores=SCORES):
    """Histories of all runs of the search; the best epoch by one criterion is not by the other."""
    for run in searched_runs(config):
        clean, observed = scores.get(run.method, ((60, 61), (30, 31)))
        folder = run_path(*run)
        folder.mkdir(parents=True, exist_ok=True)
        best = {"val_map": clean[run.seed], "val_map_observed": observed[run.seed] - 20}
        other = {"val_map": clean[run.seed] - 40, "val_map_observed": observed[run.seed]}
        write_json_lines(folder / "history.jsonl", [{"epoch": 1, **best}, {"epoch": 2, **other}])
        write_checksums(folder / "history.jsonl", into=folder / RUN_CHECKSUMS)


def run_choose(config, monkeypatch):
    """Run the command as its rule does; return its table and the chosen values."""
    settings = compact_json(search_settings(config))
    arguments = ["--settings", settings, "--table", SEARCH_TABLE, "--chosen", CHOSEN]
    monkeypatch.setattr("sys.argv", ["choose", *arguments])
    choose.main()
    return pd.read_csv(SEARCH_TABLE), yaml.safe_load(Path(CHOSEN).read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_variant_with_the_highest_mean_is_chosen_among_all_grids_of_a_method(folder, monkeypatch):
    config = configured()
    write_runs(config)
    table, chosen = run_choose(config, monkeypatch)
    rows = table[table["method"] == "ll_r"].set_index("variant")
    assert list(rows.index) == [FIRST, SECOND, THIRD]
    assert list(rows["clean_mean"]) == [81, 81.5, 81.5]
    assert list(rows["observed_mean"]) == [51, 50.5, 51]
    assert rows.loc[SECOND, "clean_std"] == pytest.approx(12.5**0.5)
    assert tuple(rows.loc[SECOND, ["clean_low", "clean_high", "seeds"]]) == (79, 84, 2)
    # The first among equals; the protocol's runs select by true labels.
    assert list(rows["best_on_clean"]) == [False, True, False]
    assert list(rows["best_on_observed"]) == [True, False, False]
    assert chosen["methods"]["ll_r"] == {
        "protocols": {"demo": {"datasets": {"digits": {"hyperparameters": {"delta_rel": 2}}}}}
    }
    by_observed = configured({"protocols": {"demo": {"training": {"selection": "observed"}}}})
    table, chosen = run_choose(by_observed, monkeypatch)
    assert '"delta_rel": 1}' in json.dumps(chosen["methods"]["ll_r"])


def test_chosen_values_give_the_runs_of_the_variant_that_was_chosen(folder, monkeypatch):
    config = configured(OBSERVED)
    best = "gr_search_beta_0_6_m2_m4_learning_rate_1em05_epochs_2"
    write_runs(config, {**SCORES, best: ((90, 90), (90, 90))})
    run_choose(config, monkeypatch)
    # Whatever the method itself says of the place.
    own = {"hyperparameters": {"beta": [0, 1, 1, 1]}, "training": {"learning_rate": 0.5}}
    place = {
        "protocols": {"demo": {**own, "datasets": {"digits": own}}},
        "datasets": {"digits": own},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump({**OBSERVED, "methods": {"gr": place}}))
    overlays = [yaml.safe_load(Path(path).read_text()) for path in ("mine.yaml", CHOSEN)]
    chosen = configured(*overlays)
    for protocol in ("demo", "observed"):
        for method, variant in (("gr", best), ("ll_r", SECOND if protocol == "demo" else FIRST)):
            expected = run_settings(config, "digits", protocol, variant, 0)
            found = run_settings(chosen, "digits", protocol, method, 0)
            assert found == {**expected, "method": method}
    monkeypatch.undo()
    preflight.check([*named_files(), folder / "mine.yaml", folder / CHOSEN])


def test_test_scores_take_no_part(folder, monkeypatch):
    config = configured()
    write_runs(config)
    made = {}
    for score in (1.0, 99.0):
        for number, run in enumerate(searched_runs(config)):
            metrics = {"test": {"map": score / (1 + number)}, "val": {"map": score}}
            write_json(run_path(*run) / "metrics.json", metrics)
            (run_path(*run) / "predictions.npz").write_bytes(str(score).encode())
        run_choose(config, monkeypatch)
        made[score] = [Path(path).read_bytes() for path in (SEARCH_TABLE, CHOSEN)]
    assert made[1.0] == made[99.0]


def test_damaged_history_is_named(folder, monkeypatch):
    config = configured()
    write_runs(config)
    path = run_path("digits", "demo", FIRST, 0) / "history.jsonl"
    path.write_text(path.read_text().replace("80", "99"))
    with pytest.raises(UserError, match=f"{path} is not as it was written"):
        run_choose(config, monkeypatch)


def test_grid_of_more_than_hyperparameters_and_training_is_no_search(folder, monkeypatch):
    config = configured({"select": {"methods": ["an_shares", "bce"]}})
    assert searched_runs(config) == []
    with pytest.raises(UserError, match=r"nothing to choose from: select\.methods names no grid"):
        run_choose(config, monkeypatch)


def test_protocols_are_alike_where_they_differ_in_their_selection_alone():
    def alike(config):
        return {
            (search["protocol"], search["method"]): search["alike"]
            for search in search_settings(config)["searches"]
        }

    both = configured(OBSERVED)
    assert alike(both) == {
        (protocol, method): "demo" for protocol in ("demo", "observed") for method in ("gr", "ll_r")
    }
    # For one of the methods they differ in more.
    more = {"methods": {"ll_r": {"protocols": {"observed": {"training": {"epochs": 3}}}}}}
    assert alike(configured(OBSERVED, more))["observed", "ll_r"] == "observed"
    other = {"protocols": {"observed": {"split_seed": 7}}}
    assert alike(configured(OBSERVED, other))["observed", "gr"] == "observed"


# --- exhibits -------------------------------------------------------------------------------------


def test_table_marks_the_best_and_tells_the_chosen(folder, monkeypatch):
    config = configured(OBSERVED)
    write_runs(config)
    run_choose(config, monkeypatch)
    settings = exhibit_settings(config, "extra_search")
    frame = extra_search.tabulate(settings)
    demo, observed = extra_search.layout(frame, settings)
    rows = {row[0]: row for row in demo.rows}
    assert rows["LL-R, delta_rel 2"] == [
        "LL-R, delta_rel 2", "81.50 ± 3.54", "50.50 ± 0.71", "2", "yes",
    ]  # fmt: skip
    place = list(rows).index("LL-R, delta_rel 2")
    assert (place, 1) in demo.marks
    assert (place, 2) not in demo.marks
    chosen = [row[0] for row in observed.rows if row[4] == "yes"]
    assert chosen[1:] == ["LL-R, delta_rel 1"]
    caption = extra_search.caption(frame, settings)
    assert "the true labels (Demo) and the observed labels (Observed)" in caption
    assert CHOSEN in caption


def test_curves_lie_below_the_best_variant(folder, monkeypatch):
    config = configured()
    write_runs(config)
    run_choose(config, monkeypatch)
    settings = exhibit_settings(config, "extra_search_curves")
    frame = extra_search_curves.tabulate(settings)
    rows = frame[(frame["method"] == "ll_r") & (frame["criterion"] == "clean")]
    assert list(rows["mean"]) == [-0.5, 0, 0]
    assert list(rows["low"]) == [-1.5, -2.5, -0.5]
    assert list(rows["best"]) == [False, True, False]
    with style_context():
        figure = extra_search_curves.draw(frame, settings)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["GR Loss", "LL-R"]
    labels = [label.get_text() for label in panels["LL-R"].get_yticklabels()]
    assert labels == ["delta_rel 1", "delta_rel 2", "delta_rel 9"]


@pytest.mark.parametrize("twin", [True, False])
def test_cost_of_observed_labels_is_a_difference_of_test_scores(folder, monkeypatch, twin):
    config = configured(*([OBSERVED] if twin else []))
    write_runs(config)
    run_choose(config, monkeypatch)
    settings = exhibit_settings(config, "extra_selection")
    test = {("demo", SECOND): 70, ("demo", FIRST): 66, ("observed", FIRST): 64}
    rows = [
        ("digits", run.protocol, run.method, run.seed, metric, value + run.seed)
        for run in searched_runs(config)
        for metric, value in (
            ("test_map", test.get((run.protocol, run.method), 10)),
            ("selected_epoch", 2 if run.protocol == "demo" else 5),
        )
    ]
    path = table_path("extra", "selection")
    path.parent.mkdir(parents=True)
    columns = ["dataset", "protocol", "method", "seed", "metric", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    write_checksums(path)
    frame = extra_selection.tabulate(settings)
    row = frame.set_index("method").loc["ll_r"]
    assert len(frame) == 2
    assert (row["clean_variant"], row["clean_protocol"], row["clean_mean"]) == (
        SECOND,
        "demo",
        70.5,
    )
    # With a protocol whose runs select on observed labels, its epochs count as well.
    expected = ("observed", 64.5, 5.5, 6.0) if twin else ("demo", 66.5, 2.5, 4.0)
    columns = ["observed_protocol", "observed_mean", "observed_epoch", "cost"]
    assert (row["observed_variant"], *row[columns]) == (FIRST, *expected)
    [table] = extra_selection.layout(frame, settings)
    assert table.rows[1][0] == "LL-R"
    assert table.rows[1][-1] == ("+6.0" if twin else "+4.0")
    assert ("between the same runs" in extra_selection.caption(frame, settings)) != twin
