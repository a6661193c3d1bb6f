"""Which words of a command line are targets, and what is meant by one that does not exist."""

from pathlib import Path

import pytest
from snakemake.cli import parse_args
from spml.desk.targets import unknown_target, with_targets_first

ROOT = Path(__file__).parents[2]
RUN = "results/runs/digits/demo/gr/seed0/metrics.json"


@pytest.mark.parametrize(
    ("words", "targets", "files"),
    [
        ("--configfile a.yaml b.yml gr_main_table", ["gr_main_table"], ["a.yaml", "b.yml"]),
        ("gr_main_table --configfile a.yaml", ["gr_main_table"], ["a.yaml"]),
        (f"--configfile a.yaml {RUN} -n", [RUN], ["a.yaml"]),
        ("--configfile a.yaml report all --cores 2", ["report", "all"], ["a.yaml"]),
        ("--configfile a.yaml all -n -- report", ["all", "report"], ["a.yaml"]),
        ("--config device=cpu seed=1 all --configfile a.yaml", ["all"], ["a.yaml"]),
        ("--resources gpu=1 all --configfile a.yaml", ["all"], ["a.yaml"]),
        ("--cores 2 all --configfile a.yaml", ["all"], ["a.yaml"]),
        ("-R train evaluate --configfile a.yaml", [], ["a.yaml"]),
        ("--configfile config/paper.yaml Makefile all", ["all"], ["config/paper.yaml", "Makefile"]),
    ],
)
def test_snakemake_takes_for_targets_what_is_meant_as_such(words, targets, files):
    _, parsed = parse_args(["--workflow-profile=none", *with_targets_first(words.split())])
    assert list(parsed.targets) == targets
    assert [str(path) for path in parsed.configfile] == files


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gr_main_tabel", "gr_main_table"),
        ("reports", "report"),
        (RUN.replace("/gr/", "/grr/"), RUN),
        (RUN.replace("digits/demo", "digit/domo"), RUN),
        (RUN.replace("metrics", "numbers"), None),
        ("x", None),
    ],
)
def test_nearest_target_is_named(name, meant):
    told = unknown_target(name)
    assert told.startswith(f"there is no target {name!r}")
    assert (f"(did you mean {meant!r}?)" in told) == (meant is not None)
    assert ("did you mean" in told) == (meant is not None)


def test_nothing_is_named_where_there_is_no_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "did you mean" not in unknown_target("gr_main_tabel")
