"""How long jobs will take and what they will write, from what earlier ones took and wrote.

Where nothing like a job has run here, its time is its time limit, and its size what the registry
and the configuration tell.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

from spml.desk import sizes
from spml.desk.dry_run import Job
from spml.plumbing.files import read_json_lines

# What may differ between jobs that are alike, from what matters least. Never the dataset.
_DIFFERENCES = {"seed": "seed", "method": "", "protocol": ""}


def _alike(path: str, wildcards: Mapping[str, str]) -> Iterator[str]:
    """The path itself, then patterns of the same file of ever less similar jobs."""
    yield path
    parts = list(Path(path).parts)
    for name, prefix in _DIFFERENCES.items():
        if name in wildcards:
            own = re.compile(rf"{prefix}{re.escape(wildcards[name])}(\.[a-z]+)?")
            parts = [
                f"{prefix}*{match[1] or ''}" if (match := own.fullmatch(part)) else part
                for part in parts
            ]
            yield str(Path(*parts))


@cache
def _mean(pattern: str, value: Callable[[Path], float]) -> float | None:
    found = [path for path in Path().glob(pattern) if path.is_file()]
    return mean(map(value, found)) if found else None


def _measured(
    path: str, wildcards: Mapping[str, str], value: Callable[[Path], float]
) -> float | None:
    means = (_mean(pattern, value) for pattern in _alike(path, wildcards))
    return next((found for found in means if found is not None), None)


def _seconds(benchmark: Path) -> float:
    return mean(float(line["s"]) for line in read_json_lines(benchmark))


def _bytes(path: Path) -> float:
    return float(path.stat().st_size)


def measured_seconds(job: Job) -> float | None:
    """What the benchmarks of this job, or else of jobs like it, say; None where there are none."""
    return _measured(job.benchmark, job.wildcards, _seconds) if job.benchmark else None


def _computed_bytes(config: Mapping[str, Any], job: Job) -> float | None:
    """What files take that are no outputs of their jobs, and weights that no run has left yet."""
    dataset = job.wildcards.get("dataset")
    if dataset is None:
        return None
    if job.rule in ("download", "extract"):
        return sizes.archive_bytes(config, dataset, job.wildcards["file"])
    if job.rule == "pack":
        return sizes.packed_bytes(config, dataset)
    if any(output.endswith("/weights.pt") for output in job.outputs):
        return sizes.weights_bytes(config, dataset)
    return None


def new_bytes(config: Mapping[str, Any], job: Job) -> float | None:
    """What a job adds to the disk; files that it replaces count for nothing. None if unknown."""
    new = [output for output in job.outputs if not Path(output).exists()]
    if not new:
        return 0.0
    computed = _computed_bytes(config, job)
    measured = [_measured(output, job.wildcards, _bytes) for output in new]
    if all(size is not None for size in measured) and job.rule not in ("download", "extract"):
        return sum(size for size in measured if size is not None)
    return computed
