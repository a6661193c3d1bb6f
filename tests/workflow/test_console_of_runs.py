"""What a person sees of a run: in a terminal, without one, of a failure, and after Ctrl-C."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from checkouts import SMALL, Checkout
from terminal import run_in_terminal, seen

PROFILE = (
    *("--workflow-profile", "workflow/profiles/default"),
    # Snakemake ends that long after its last job.
    *("--max-jobs-per-timespan", "1000/1s"),
)
OBSERVED = "results/observed/digits/demo/single_positive.npz"
JOBS = ["compose_digits", "observe digits/demo/single_positive"]
PROFILES = ("default", "slurm", "generic", "kubernetes")


@pytest.fixture
def fresh(pristine, tmp_path) -> Checkout:
    """A checkout in which nothing has run, with two short jobs to do, one after the other."""
    configuration = (*PROFILE, *SMALL, "--", OBSERVED)
    return replace(pristine.copy(tmp_path / "checkout"), configuration=configuration)


def in_terminal(checkout: Checkout, *command: str, **options) -> tuple[int, str]:
    command = command or tuple(checkout.command(*checkout.configuration))
    return run_in_terminal(command, checkout.path, checkout.environment(), **options)


def test_terminal_has_one_line_that_moves(fresh):
    status, printed = in_terminal(fresh)
    assert status == 0, printed
    moves = [part for part in re.split("[\r\n]", printed) if " jobs |" in part]
    assert max(map(len, moves)) <= 80
    assert all(any(name in line for line in moves) for name in JOBS)
    assert any(line.startswith("0 of 2 jobs") and "time left unknown" in line for line in moves)
    assert any(re.match(r"1 of 2 jobs .*\| about \d+ s left", line) for line in moves)
    using, building, log, done = seen(printed)
    assert using.startswith("Using workflow specific profile")
    assert building == "Building DAG of jobs..."
    assert log.startswith("Complete log(s): ")
    assert done == "2 of 2 jobs are done."
    assert max(map(len, (using, building, log))) <= 200
    # What is not said here is said there.
    words = next(fresh.path.glob(".snakemake/log/*.log")).read_text()
    assert "Select jobs to execute..." in words
    assert "reason: Missing output files" in words or "Reason: Missing output files" in words


def test_without_a_terminal_each_job_is_a_line(fresh):
    lines = fresh.imported("snakemake", *fresh.configuration, purpose="run").splitlines()
    jobs = [line for line in lines if re.match(r"\d of 2 jobs, .*: ", line)]
    assert [line.partition(": ")[2] for line in jobs] == [f"{name} done" for name in JOBS]
    assert len(lines) == 6
    assert max(map(len, lines)) <= 200
    assert not any(character in "".join(lines) for character in "\r\x1b")


def test_failure_is_told_by_the_end_of_its_log(fresh):
    """Tried twice, and after it what the command leaves out."""
    fresh.edit(
        "workflow/spml/compose.py",
        "    images, labels = ",
        '    print(*(f"line {n}" for n in range(99)), "10 %\\r90 %", sep="\\n")\n'
        '    raise UserError("no pictures today")\n    images, labels = ',
    )
    fresh.edit("workflow/spml/compose.py", "import run_command", "import UserError, run_command")
    words = ("--retries", "1", *fresh.configuration)
    printed = fresh.imported("snakemake", *words, purpose="run", fails=True)
    log = "results/logs/compose/digits.log"
    told = [
        *("FAILED: compose_digits", f"  {log} ends with:"),
        *(f"    line {n}" for n in range(89, 99)),
        *("    90 %", "    error: no pictures today"),
    ]
    lines = printed.splitlines()
    assert lines[2:-2] == told * 2
    assert lines[-1] == (
        "0 of 2 jobs are done; failed: compose_digits; not started: 1. "
        "What is done stays, and the same command goes on."
    )


def test_ctrl_c_says_that_nothing_is_lost_and_how_to_go_on(fresh):
    status, printed = in_terminal(fresh, interrupt_at="compose_digits")
    assert status == 1
    assert "Traceback" not in printed
    *_, stopping, stopped = seen(printed)
    assert stopping.startswith("Stopping the jobs that run")
    what, _, command = stopped.partition(" To go on: snakemake ")
    assert what == (
        "Stopped. Nothing is lost: what is done stays, and a training goes on from its last "
        "checkpoint."
    )
    assert "FAILED" not in printed
    printed = fresh.imported("snakemake", *shlex.split(command), purpose="run")
    # A job whose process starts after the signal is not told of it, and ends well.
    assert re.search(r"\b([12]) of \1 jobs are done\.\n$", printed)
    assert (fresh.path / OBSERVED).is_file()


def test_ctrl_c_before_a_job_runs_leaves_no_trace(fresh):
    pause = '\n    import signal; print("planning", flush=True); signal.pause()'
    doc = '"""The arguments of the observe stage."""'
    fresh.edit("workflow/rules/common.smk", doc, doc + pause)
    status, printed = in_terminal(fresh, interrupt_at="planning")
    assert status == 130
    assert "Traceback" not in printed
    assert any(line.startswith("Stopped. Nothing is lost") for line in seen(printed))


def test_make_names_itself_as_what_goes_on(pristine):
    command = ("make", "--dry-run", "demo", "CORES=2")
    printed = subprocess.run(command, cwd=pristine.path, capture_output=True, text=True).stdout
    assert "--logger-spml-command 'make demo CORES=2'" in printed


def test_dry_run_and_lists_are_as_without_the_logger(pristine):
    own, known = (pristine.ask("-n", *logger).splitlines() for logger in (("--logger", "spml"), ()))
    different = re.compile(r"  (Date|Workflow ID|Command): |\[.* 20\d\d\]$")
    own, known = ([line for line in lines if not different.match(line)] for lines in (own, known))
    # Jobs that are ready at the same time come in the order of a set.
    assert sorted(own) == sorted(known)
    assert len(own) > 100
    listed = pristine.ask("--list-target-rules", "--logger", "spml").splitlines()
    assert {"all", "report", "gr_main_table"} <= set(listed)


def test_mistakes_of_the_configuration_are_printed_in_full(fresh):
    (fresh.path / "wrong.yaml").write_text("select: { methods: [grr] }")
    words = (*PROFILE, "--configfile", "wrong.yaml")
    printed = fresh.imported("snakemake", *words, fails=True)
    assert "wrong.yaml: select.methods" in printed
    assert "did you mean 'gr'?" in printed


def test_profiles_work_where_the_logger_is_not_installed(pristine):
    script = """
import sys
sys.path[:] = [path for path in sys.path if not path.endswith("/workflow")]
from snakemake.cli import parse_args
for name in sys.argv[1:]:
    print(*parse_args(["--workflow-profile", f"workflow/profiles/{name}", "-n"])[1].logger)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *PROFILES],
        cwd=pristine.path,
        env={**pristine.environment(), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("\n" * len(PROFILES), 0), done.stderr
