"""Time and memory of planning the grid of both papers with so many seeds that it has over 5,000 runs.

python tests/benchmarks/planning.py [profile]
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SEEDS = 20


class Plan(NamedTuple):
    """What a dry run found, and what it took: wall and processor time, and memory at its peak."""

    trainings: int
    jobs: int
    seconds: float
    processor_seconds: float
    megabytes: float


def plan(checkout: Path, profile: str = "default", seeds: int = SEEDS) -> Plan:
    """Plan the grid from bare archives."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as printed:
        many = Path(folder, "many_seeds.yaml")
        many.write_text(f"select: {{ seeds: {list(range(seeds))} }}\n")
        command = [
            *(sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--cores", "2"),
            *("--workflow-profile", f"workflow/profiles/{profile}"),
            *("--configfile", "config/paper.yaml", str(many)),
        ]
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=checkout, stdout=printed, stderr=subprocess.STDOUT)
        # The peak of this process alone, whatever else has run before.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        printed.seek(0)
        text = printed.read()
    if status:
        raise RuntimeError(text)
    counts = dict(re.findall(r"^(\w+) +(\d+)$", text, re.M))
    return Plan(
        trainings=int(counts["train"]),
        jobs=int(counts["total"]),
        seconds=seconds,
        processor_seconds=usage.ru_utime + usage.ru_stime,
        megabytes=usage.ru_maxrss / 1024,
    )


if __name__ == "__main__":
    result = plan(Path(), *sys.argv[1:])
    print(
        f"planning {result.jobs} jobs, {result.trainings} of them trainings: "
        f"{result.seconds:.0f} s ({result.processor_seconds:.0f} s of processor time), "
        f"{result.megabytes:.0f} MB"
    )
