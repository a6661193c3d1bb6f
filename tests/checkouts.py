"""Copies of this checkout in which tests run the real Snakemake."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ("--configfile", "tests/workflow/small.yaml")
# Snakemake 9.27 looks for jobs to start once in this time for each job that has ended, for no reason
# in runs as small as those of tests.
QUICK = ("--scheduler", "greedy", "--max-jobs-per-timespan", "1000/1h")


def planned_jobs(printed: str) -> set[str]:
    """Jobs of a dry run with shell commands: "rule dataset/protocol/method/seed" or the rule alone.

    Read from the names of the log files, which every rule that runs something has.
    """
    return set(re.findall(r">\s*results/logs/(\S+)\.log 2>&1", printed))


_imported: dict[str, subprocess.Popen] = {}
_folder = tempfile.TemporaryDirectory()  # its name is short, as that of a socket has to be


def _start(program: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(program)), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # what has threads must not be forked
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def imported_snakemake(purpose: str) -> subprocess.Popen:
    """A process that has imported Snakemake, one for each purpose."""
    if purpose not in _imported:
        _imported[purpose] = _start("imported_snakemake.py")
    return _imported[purpose]


def imported_stages() -> str:
    """A program that is python, with all that stages of the workflow import from elsewhere."""
    if "stages" not in _imported:
        _imported["stages"] = _start("imported_stages.py", _folder.name)
        assert _imported["stages"].stdout.readline()
    return f"{_folder.name}/python"


def end_imported() -> None:
    """End those processes that there are."""
    for process in _imported.values():
        process.communicate()
    _folder.cleanup()


@dataclass(frozen=True)
class Checkout:
    """A copy of the project in a folder of its own."""

    path: Path
    configuration: tuple[str, ...] = SMALL

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def environment(self) -> dict[str, str]:
        search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": search_path, "OMP_NUM_THREADS": "1"}

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake with the checkout's configuration; return all that it printed.

        Its jobs are forked from a process that has imported what stages do.
        """
        words = self.command(*QUICK, *arguments, *self.configuration)[3:]
        python = imported_stages()
        return self.imported("snakemake", *words, purpose="run", python=python, fails=fails)

    def ask(self, *arguments: str, fails: bool = False) -> str:
        """The same for calls that run no job, such as dry runs.

        One process orders its sets alike in all calls, so these are those of another one: a plan that
        depends on that order is seen only by a process other than the one that made the files.
        """
        words = self.command(*arguments, *self.configuration)[3:]
        return self.imported("snakemake", *words, fails=fails)

    def imported(
        self,
        module: str,
        *words: str,
        purpose: str = "ask",
        python: str = sys.executable,
        fails: bool = False,
    ) -> str:
        """What ``python -m`` prints for a module that imports Snakemake, in half the time.

        python: what jobs are run with.
        """
        process = imported_snakemake(purpose)
        with tempfile.NamedTemporaryFile("r") as output:
            call = {
                "folder": str(self.path),
                "environment": self.environment(),
                "module": module,
                "arguments": words,
                "output": output.name,
                "python": python,
            }
            print(json.dumps(call), file=process.stdin, flush=True)
            status = int(process.stdout.readline())
            printed = output.read()
        assert (status != 0) == fails, printed
        return printed

    def planned(self, *arguments: str) -> set[str]:
        """What a dry run plans, as :func:`planned_jobs` names it."""
        return planned_jobs(self.ask("-n", "--printshellcmds", *arguments))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there, in one file."""
        path = self.path / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def copy(self, path: Path) -> "Checkout":
        # Snakemake may write a log there just now, for another test.
        shutil.copytree(self.path, path, symlinks=True, ignore=shutil.ignore_patterns("log"))
        return Checkout(path, self.configuration)


def tracked_files() -> list[str]:
    """All files of the project, new ones included, outputs and environments left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("copies of the project are made with git, and this is no git checkout")
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
