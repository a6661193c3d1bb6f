"""Copies of this checkout in which tests run the real Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ("--configfile", "tests/workflow/small.yaml")


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

    def snakemake(
        self, *arguments: str, fails: bool = False, extra_configuration: str | None = None
    ) -> str:
        """Run Snakemake with the checkout's configuration; return all that it printed."""
        extra = [extra_configuration] if extra_configuration else []
        done = subprocess.run(
            self.command(*arguments, *self.configuration, *extra),
            cwd=self.path,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def planned(self, *arguments: str) -> set[str]:
        """What a dry run plans: one "rule dataset/protocol/method/seed" a job, or the rule alone.

        Read from the names of the log files, which every rule that runs something has.
        """
        self_check = self.snakemake("-n", "--printshellcmds", *arguments)
        logs = re.findall(r">\s*results/logs/(\S+)\.log 2>&1", self_check)
        return set(logs)

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
