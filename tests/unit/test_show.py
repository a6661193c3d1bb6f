"""Exhibits in the terminal."""

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config
from spml.desk.terminal import align
from spml.exhibits.markdown import BEST, SECOND, Table, format_tables, parse_tables
from spml.planning.files import load
from spml.planning.grids import expand
from spml.plumbing.addresses import CHECKPOINT, exhibit_path, run_path
from spml.plumbing.checksums import write_checksums
from spml.plumbing.files import write_json
from terminal import run_in_terminal

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "workflow"
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
    caption = path.with_name("main_table.caption.txt")
    caption.write_text("What it is.\n")
    numbers = path.with_suffix(".csv")
    numbers.write_text("dataset,protocol,method,seeds\nvoc,gr,an,3\nvoc,gr,gr,2\ncoco,gr,an,3\n")
    write_checksums(path, caption, numbers)
    data = path.with_name("separation.csv")
    data.write_text('method,share\n"a, b",1.5\n"c, d",2.5\n')
    write_checksums(data)
    return tmp_path


def run_show(folder, *arguments, encoding="utf-8"):
    return subprocess.run(
        [sys.executable, "-m", "spml.show", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(WORKFLOW), "PYTHONIOENCODING": encoding},
        capture_output=True,
        encoding=encoding,
    )


def test_prints_the_main_table_aligned_and_where_the_report_is(results):
    done = run_show(results)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[:4:2]] == ["Method", "AN"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[2].endswith("  88.1 ± 0.4")
    assert lines[3].endswith("   9.0 ± 1.0")
    assert "What it is." in lines
    assert lines[-2] == "Selection: datasets voc, coco; protocols gr; 3 seeds"
    assert lines[-1] == "Report: results/report/index.html (not there yet; make it with: make demo)"
    assert "\x1b" not in done.stdout


def test_names_the_report_that_is_there(results):
    page = results / "results/report/index.html"
    page.parent.mkdir()
    page.write_text("")
    assert run_show(results).stdout.splitlines()[-1] == "Report: results/report/index.html"


def test_prints_the_data_of_a_figure(results):
    done = run_show(results, "gr_separation")
    lines = [re.split(" {2,}", line) for line in done.stdout.splitlines()[:3]]
    assert lines == [
        ["method", "share"],
        ["-" * len(lines[1][0]), "-" * len(lines[1][1])],
        ["a, b", "1.5"],
    ]
    assert "Selection" not in done.stdout


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 30


@pytest.fixture
def pictured(results):
    picture = exhibit_path("gr_separation", ".png")
    picture.write_bytes(PICTURE)
    write_checksums(picture.with_suffix(".csv"), picture)
    return results


def shown(printed: str) -> tuple[str, bytes]:
    """What a terminal with pictures makes of a text: the rest of it, and the picture."""
    kitty = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", printed)
    iterm2 = re.findall(r"\x1b\]1337;File=([^:]*):([^\a]*)\a", printed)
    for keys, _ in kitty[:-1]:
        assert keys.endswith("m=1")
    assert all(len(text) <= 4096 for _, text in kitty)
    if kitty:
        assert kitty[-1][0].endswith("m=0")
        assert {"a=T", "f=100", "q=2"} < set(kitty[0][0].split(","))
    if iterm2:
        assert {"inline=1", f"size={len(PICTURE)}"} < set(iterm2[0][0].split(";"))
    rest = re.sub(r"\x1b[_\]].*?(\x1b\\|\a)", "", printed)
    return rest, b64decode("".join(text for _, text in kitty + iterm2))


@pytest.mark.parametrize(
    ("terminal", "there"),
    [
        ({"KITTY_WINDOW_ID": "1"}, True),
        ({"LC_TERMINAL": "iTerm2"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({}, False),
        ({"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}, False),
    ],
)
def test_figure_is_shown_in_a_terminal_that_can_and_nowhere_else(pictured, terminal, there):
    command = [sys.executable, "-m", "spml.show", "gr_separation"]
    environment = {"PYTHONPATH": str(WORKFLOW), **terminal}
    status, printed = run_in_terminal(command, pictured, environment, columns=60)
    assert status == 0
    rest, picture = shown(printed)
    assert picture == (PICTURE if there else b"")
    assert "\x1b" not in rest
    assert "Picture: results/exhibits/gr/separation.png, and beside it as .pdf and .svg" in rest
    if there:  # no wider than the terminal
        assert re.search(r"[,;](c|width)=60\b", printed)
    # Into a pipe, no terminal's variables make it more than its path.
    done = subprocess.run(command, cwd=pictured, env=environment, capture_output=True, text=True)
    assert "\x1b" not in done.stdout
    assert "Picture: results/exhibits/gr/separation.png" in done.stdout


def test_table_has_no_picture(pictured):
    assert "Picture" not in run_show(pictured).stdout


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("dataset,protocol,seed\nvoc,gr,0\nvoc,gr,4\n", "datasets voc; protocols gr; seeds 0, 4"),
        ("dataset,protocol,seeds\nvoc,gr,1\n", "datasets voc; protocols gr; 1 seed"),
        ("dataset,protocol,class\nvoc,gr,cat\n", "datasets voc; protocols gr"),
        ("exhibit,dataset,protocol\ngr_main_table,voc,gr\n", None),
    ],
)
def test_says_what_a_table_was_made_for(results, data, line):
    path = Path("results/exhibits/gr/separation.csv")
    path.write_text(data)
    write_checksums(path)
    found = [text for text in run_show(results, "gr_separation").stdout.splitlines() if ":" in text]
    assert found[:-1] == ([f"Selection: {line}"] if line else [])


@pytest.mark.parametrize(
    ("exhibit", "name"),
    [
        ("gr_main_table", "main_table.md"),
        ("gr_main_table", "main_table.caption.txt"),
        ("gr_separation", "separation.csv"),
    ],
)
def test_half_a_table_is_not_printed(results, exhibit, name):
    path = Path("results/exhibits/gr", name)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    done = run_show(results, exhibit)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {path} is not as it was written (its checksum differs); delete it and start "
        "again: it is made anew\n"
    )


def test_says_what_to_run_where_there_is_nothing_yet(results):
    done = run_show(results, "ll_memorisation_curve")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "snakemake --cores all ll_memorisation_curve" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's configuration, and four of the six runs of two methods."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "mine.yaml").write_text(
        "select: { methods: [an, gr], exhibits: [gr_main_table, gr_class_counts] }\n"
        "methods: { gr: { title: Mine } }\n"
    )
    for method, seeds in {"an": (0, 1, 2), "gr": (1,)}.items():
        for seed in seeds:
            write_json(
                run_path("digits", "demo", method, seed) / "metrics.json",
                {"val": {"map": 1.0}, "test": {"map": 80.0 + seed}},
            )
    checkpoint = Path(CHECKPOINT.format(dataset="digits", protocol="demo", method="gr", seed=2))
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    return tmp_path


def test_half_way_it_tells_what_is_done_and_what_is_missing(project):
    done = run_show(project, "--configfile", "mine.yaml")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "gr_main_table 4/6 waits for 2 runs" in lines
    assert "gr_class_counts – can be made" in lines
    assert "So far: Digits, Demo" in lines
    assert "AN 81.0 ± 1.0 3/3" in lines
    assert "Mine 81.0 1/3" in lines
    assert "4 of 6 runs are finished, 2 are missing, 1 of which have begun:" in lines
    assert "results/runs/digits/demo/gr/seed0" in lines
    assert lines[-1].endswith("--configfile mine.yaml")


def test_characters_that_the_terminal_lacks_do_not_stop_it(project):
    done = run_show(project, "--configfile", "mine.yaml", encoding="latin-1")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "gr_class_counts ? can be made" in lines
    assert "AN 81.0 ± 1.0 3/3" in lines


def test_status_of_one_exhibit_and_after_the_main_table_is_made(project, results):
    assert "Method" in run_show(project, "--configfile", "mine.yaml").stdout.splitlines()[0]
    status = run_show(project, "gr_separation", "--status", "--configfile", "mine.yaml").stdout
    assert "gr_separation" in status
    assert "gr_main_table" not in status


def test_exhibit_that_shows_nothing_of_what_is_selected_is_said_to_be_left_out(project):
    """And no command is advised that would plan nothing."""
    (project / "voc.yaml").write_text(
        "select: { datasets: [voc], exhibits: [ll_openimages, gr_main_table, extra_significance] }"
    )
    files = ("--configfile", "config/paper.yaml", "voc.yaml")
    lines = run_show(project, "--status", *files).stdout.splitlines()
    states = {line.split()[0]: line for line in lines if line.strip()}
    left_out = "left out, since it shows nothing of what is selected"
    assert states["ll_openimages"].endswith(left_out)
    assert not states["gr_main_table"].endswith(left_out)
    assert not states["extra_significance"].endswith(left_out)
    for exhibit, reason in (
        ("ll_openimages", "it shows protocols ll_openimages alone"),
        ("ll_labelling_efficiency", "it shows datasets digits, coco and protocols ll alone"),
    ):
        done = run_show(project, exhibit, *files)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {exhibit} cannot be made: {reason}")
        assert "snakemake" not in done.stderr
    (project / "voc.yaml").write_text("select: { exhibits: [gr_class_counts] }")
    done = run_show(project, "extra_significance", "--configfile", "voc.yaml")
    assert "cannot be made: it is made from others, none of which is selected" in done.stderr


def test_files_after_two_options_are_refused_as_snakemake_would_take_the_last(project):
    done = run_show(project, "--status", "--configfile", "mine.yaml", "--configfile", "mine.yaml")
    assert done.returncode == 1
    assert "error: --configfile is given more than once" in done.stderr


def test_missing_exhibit_says_how_many_of_its_runs_are_there(project):
    done = run_show(project, "gr_separation", "--configfile", "mine.yaml")
    assert done.returncode == 1
    assert "is not there yet (4 of its 6 runs are finished)" in done.stderr
    assert "snakemake --cores all --configfile mine.yaml -- gr_separation" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["gr_seperation"],
            "there is no exhibit 'gr_seperation' in config/exhibits.yaml "
            "(did you mean 'gr_separation'?); there are: gr_main_table, ",
        ),
        (["--status", "--configfile", "no.yaml"], "no.yaml cannot be read: No such file"),
        (["--status", "--configfile", "bad.yaml"], "bad.yaml, line 2, is not YAML: "),
        (["--status", "--configfile", "odd.yaml"], "does not define 'nothing'"),
    ],
)
def test_mistakes_are_sentences(project, arguments, sentence):
    (project / "bad.yaml").write_text("select: [")
    (project / "odd.yaml").write_text("select: { exhibits: [nothing] }")
    done = run_show(project, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_status_outside_the_project_is_a_sentence(tmp_path):
    done = run_show(tmp_path)
    assert done.returncode == 1
    assert "go to the project's folder first" in done.stderr


@pytest.mark.parametrize("files", [[], ["config/paper.yaml", "config/paper_on_digits.yaml"]])
def test_configuration_is_merged_as_snakemake_merges_it(files):
    named = ("datasets", "protocols", "methods", "sweeps", "exhibits", "config")
    expected: dict = {}
    for path in [*(f"config/{name}.yaml" for name in named), *files]:
        update_config(expected, load_configfile(path))
    assert load(files) == expand(expected)


def test_status_loads_nothing_heavy():
    code = "import sys, spml.desk.status, spml.planning.files; print(*sys.modules)"
    assert not {"numpy", "pandas", "torch", "snakemake"} & modules_after(code)


def test_loads_nothing_heavy():
    code = "import sys, spml.show; print(*sys.modules)"
    assert not {"numpy", "pandas", "yaml", "torch"} & modules_after(code)


def modules_after(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_terminal_shows_best_bold_and_second_underlined():
    shown = align(TABLE, width=80, colour=True).splitlines()
    assert shown[4].endswith("\x1b[1m94.5 ± 0.2\x1b[0m")
    assert shown[2].endswith("\x1b[4m88.1 ± 0.4\x1b[0m")


def test_markdown_is_read_back_as_it_was_written():
    tables = [
        Table(["a", "b"], [["x|y", "1"], ["z", ""]], "First", {(0, 1): BEST}),
        Table(["c"], [["1"]], "Second"),
    ]
    assert parse_tables(format_tables(tables)) == tables


def test_wide_cells_are_broken_to_fit():
    table = Table(["Claim", "Text"], [["1", "word " * 30], ["2", "short"]], marks={(0, 1): BEST})
    lines = align(table, width=40).splitlines()
    assert max(map(len, lines)) <= 40
    assert len(lines) == 2 + 5 + 1
    assert " ".join(" ".join(lines[2:7]).split()) == "1 " + ("word " * 30).strip()
    assert "\x1b[1m" in align(table, width=40, colour=True).splitlines()[6]
