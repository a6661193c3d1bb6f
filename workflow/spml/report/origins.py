"""Which code, packages and machines made the runs and the report."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spml.report.runs import Run

PACKAGES = ("numpy", "pandas", "scipy", "matplotlib", "jinja2", "snakemake")


def _tally(values: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _first_match(path: str, pattern: str) -> str:
    """The first group of ``pattern`` in a file of the system; empty where there is no such file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""


def describe_machine() -> list[tuple[str, str]]:
    """The machine that writes the report."""
    processor = _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine()
    memory = _first_match("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$")
    return [
        ("Processor", f"{processor}, {os.cpu_count()} logical cores"),
        ("Memory", f"{int(memory) / 2**20:.1f} GiB" if memory else "unknown"),
        ("System", f"{platform.system()} {platform.release()}"),
    ]


def package_versions() -> list[tuple[str, str]]:
    """Versions of what makes exhibits and report; packages that are not installed are left out."""
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def origins(runs: Sequence[Run]) -> dict[str, Any]:
    """Commits, versions and devices of the runs that were trained here, with how many say so."""
    runs = [run for run in runs if run.is_trained]
    return {
        "commits": _tally(run.commit for run in runs),
        "training_versions": _tally(
            ", ".join(f"{name} {number}" for name, number in run.record["versions"].items())
            for run in runs
        ),
        "devices": _tally(run.record["device"] for run in runs),
        "report_versions": package_versions(),
        "machine": describe_machine(),
    }
