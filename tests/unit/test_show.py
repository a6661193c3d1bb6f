"""Exhibits in the terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
from spml import show
from spml.addresses import exhibit_path
from spml.errors import UserError
from spml.markdown import BEST, SECOND, Table, format_tables, parse_tables

WORKFLOW = Path(__file__).parents[2] / "workflow"
TABLE = Table(
    ["Method", "mAP (%)"],
    [["AN", "88.1 ± 0.4"], ["a|b", "9.0 ± 1.0"], ["GR", "94.5 ± 0.2"]],
    marks={(2, 1): BEST, (0, 1): SECOND},
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = exhibit_path("gr_main_table", ".md")
    path.parent.mkdir(parents=True)
    path.write_text(format_tables([TABLE]), encoding="utf-8")
    path.with_name("main_table.caption.txt").write_text("What it is.\n")
    path.with_name("separation.csv").write_text('method,share\n"a, b",1.5\n')
    return tmp_path


def run_show(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "spml.show", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(WORKFLOW), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
    )


def test_prints_the_main_table_aligned_and_where_the_report_is(results):
    done = run_show(results)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Method     mAP (%)"
    assert lines[2] == "AN      88.1 ± 0.4"
    assert lines[3] == "a|b      9.0 ± 1.0"
    assert "What it is." in lines
    assert lines[-1] == "Report: results/report/index.html (not there yet; make it with: make demo)"
    assert "\x1b" not in done.stdout


def test_names_the_report_that_is_there(results):
    page = results / "results/report/index.html"
    page.parent.mkdir()
    page.write_text("")
    assert run_show(results).stdout.splitlines()[-1] == "Report: results/report/index.html"


def test_prints_the_data_of_a_figure(results):
    done = run_show(results, "gr_separation")
    assert done.stdout.splitlines()[:3] == ["method  share", "------  -----", "a, b      1.5"]


def test_says_what_to_run_where_there_is_nothing_yet(results):
    done = run_show(results, "ll_memorisation_curve")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "snakemake --cores all ll_memorisation_curve" in done.stderr
    assert "Traceback" not in done.stderr


def test_loads_nothing_heavy():
    code = "import sys, spml.show; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "pandas", "yaml", "torch"} & set(done.stdout.split())


def test_terminal_shows_best_bold_and_second_underlined():
    shown = show.align(TABLE, colour=True).splitlines()
    assert shown[4].endswith("\x1b[1m94.5 ± 0.2\x1b[0m")
    assert shown[2].endswith("\x1b[4m88.1 ± 0.4\x1b[0m")


def test_markdown_is_read_back_as_it_was_written():
    tables = [
        Table(["a", "b"], [["x|y", "1"], ["z", ""]], "First", {(0, 1): BEST}),
        Table(["c"], [["1"]], "Second"),
    ]
    assert parse_tables(format_tables(tables)) == tables


def test_exhibit_that_is_not_there_is_a_sentence(results):
    with pytest.raises(UserError, match=r"results/exhibits/gr/nothing\.md is not there yet"):
        show.read_tables("gr_nothing")
