"""A search for hyperparameters: what it is planned from, and what it leaves."""

from dataclasses import replace

import yaml

SEARCH = """\
methods:
  an_ls_search: { extends: an_ls, grid: { hyperparameters.smoothing: [0.1, 0.3] } }
select: { methods: [an_ls_search], seeds: [0] }
"""
EXHIBITS = ("extra_search", "extra_search_curves", "extra_selection")


def test_choosing_waits_for_no_evaluation(pristine, tmp_path):
    (tmp_path / "mine.yaml").write_text(SEARCH)
    files = ("--configfile", "config/search_digits.yaml", str(tmp_path / "mine.yaml"))
    search = replace(pristine, configuration=(*files, "--", "results/search/chosen.yaml"))
    planned = search.planned()
    stages = {job.partition("/")[0] for job in planned}
    assert {"train", "choose"} <= stages
    assert not stages & {"evaluate", "collect", "compare", "exhibits"}


def test_search_leaves_values_that_a_run_can_be_made_with(checkout):
    (checkout.path / "mine.yaml").write_text(SEARCH)
    configuration = (*checkout.configuration, "mine.yaml")
    replace(checkout, configuration=configuration).snakemake(*EXHIBITS)
    results = checkout.path / "results"
    [place] = yaml.safe_load((results / "search/chosen.yaml").read_text())["methods"].values()
    chosen = place["protocols"]["demo"]["datasets"]["digits"]["hyperparameters"]["smoothing"]
    assert chosen in (0.1, 0.3)
    for name in ("search.md", "search_curves.png", "selection.md"):
        assert (results / "exhibits/extra" / name).is_file()
    run = "results/runs/digits/demo/an_ls/seed0/run.json"
    configuration = (*configuration, "results/search/chosen.yaml")
    planned = replace(checkout, configuration=configuration).ask("-n", "-p", run)
    assert f'"hyperparameters":{{"smoothing":{chosen}}}' in planned
