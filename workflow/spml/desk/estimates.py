"""How long jobs will take and what they will write, from what earlier ones took and wrote.

A run that sees more pictures than the runs like it takes so much longer. Where nothing like a job
has run here, the time of one that runs a network is the number of its pictures times a rate
(:mod:`spml.desk.rates`), that of another is not known; and its size is what the registry and the
configuration tell.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from spml.desk import rates, sizes, workload
from spml.desk.dry_run import Job
from spml.desk.rates import Rate
from spml.desk.workload import Network, Workload
from spml.planning.identical import trained_as
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
def _files(pattern: str) -> tuple[Path, ...]:
    return tuple(path for path in Path().glob(pattern) if path.is_file())


@cache
def _mean(paths: tuple[Path, ...], value: Callable[[Path], float]) -> float:
    return mean(map(value, paths))


def _most_alike(path: str, wildcards: Mapping[str, str]) -> tuple[Path, ...]:
    """The files ``path`` of this job, or else of the jobs that are most like it; () of none."""
    return next(filter(None, map(_files, _alike(path, wildcards))), ())


def _seconds(benchmark: Path) -> float:
    return mean(float(line["s"]) for line in read_json_lines(benchmark))


def _bytes(path: Path) -> float:
    return float(path.stat().st_size)


def _measured_bytes(path: str, wildcards: Mapping[str, str]) -> float | None:
    found = _most_alike(path, wildcards)
    return _mean(found, _bytes) if found else None


def _benchmarks(job: Job) -> tuple[Path, ...]:
    return _most_alike(job.benchmark, job.wildcards) if job.benchmark else ()


class Estimate(NamedTuple):
    """Seconds of a job, from ``low`` to ``high``; ``least`` where it stops early.

    origin: what it is from. in_precision: the seconds in another arithmetic, by its name, where
    they are from a card's data sheet.
    """

    low: float
    high: float
    least: float
    origin: str
    in_precision: Mapping[str, tuple[float, float]] = {}


BENCHMARKS = "benchmarks of these or of like jobs"
COPY = Estimate(0.0, 0.0, 0.0, "being copies of runs with the same settings")


def _pictures(work: Workload) -> float:
    """Of training, in which looking at one counts for a part."""
    return work.trained + work.scored * rates.LOOKED_AT


def _seconds_of(work: Workload, rate: Rate) -> tuple[float, float]:
    pictures = _pictures(work)
    return rate.start + pictures * rate.low, rate.start + pictures * rate.high


def _channels(config: Mapping[str, Any], dataset: str) -> int:
    return len(config["datasets"][dataset].get("images", {}).get("mean", ()))


class Estimates:
    """Estimates of the jobs of a plan, each from the best source there is.

    measured: rates that were measured just now.
    """

    def __init__(
        self, config: Mapping[str, Any], measured: Mapping[Network, Rate] | None = None
    ) -> None:
        self._config = config
        self._rates = {**(measured or {}), **rates.recorded()}
        self._cards = rates.read_cards()
        self._found: dict[tuple[str, tuple[str, ...]], Estimate | None] = {}
        self._usual: dict[tuple[Path, ...], float | None] = {}

    def of(self, job: Job) -> Estimate | None:
        """None where nothing like it is known."""
        key = (job.benchmark or "", job.outputs)
        if key not in self._found:
            self._found[key] = self._make(job)
        return self._found[key]

    def _is_copy(self, job: Job) -> bool:
        """Whether it takes over a run with the same settings."""
        if job.rule != "train":
            return False
        dataset, protocol, method = (job.wildcards[n] for n in ("dataset", "protocol", "method"))
        return trained_as(self._config, dataset, protocol, method) != method

    def _usual_pictures(self, benchmarks: tuple[Path, ...]) -> float | None:
        """The mean of the pictures of those runs; None where that is not known of one of them."""
        if benchmarks not in self._usual:
            works = []
            for dataset, protocol, method in (path.parts[-4:-1] for path in benchmarks):
                known = method in self._config["methods"] and protocol in self._config["protocols"]
                names = (dataset, protocol, method)
                works.append(workload.of_training(self._config, *names) if known else None)
            pictures = [_pictures(work) for work in works if work]
            self._usual[benchmarks] = mean(pictures) if len(pictures) == len(works) else None
        return self._usual[benchmarks]

    def _measured(self, job: Job, work: Workload | None) -> float | None:
        """What benchmarks say; pictures that a run has beyond those of the runs that were measured
        take the time that pictures take here."""
        benchmarks = _benchmarks(job)
        if not benchmarks:
            return None
        seconds = _mean(benchmarks, _seconds)
        rate = self._rates.get(work.network) if work and job.rule == "train" else None
        if work is None or rate is None or (usual := self._usual_pictures(benchmarks)) is None:
            return seconds
        return max(0.0, seconds + (_pictures(work) - usual) * (rate.low * rate.high) ** 0.5)

    def _make(self, job: Job) -> Estimate | None:
        if self._is_copy(job):
            return COPY
        work = workload.of_job(self._config, job.rule, job.wildcards)
        least = work.least if work else 1.0
        seconds = self._measured(job, work)
        if seconds is not None:
            return Estimate(seconds, seconds, seconds * least, BENCHMARKS)
        if work is None:
            return None
        if work.network in self._rates:
            rate = self._rates[work.network]
            low, high = _seconds_of(work, rate)
            return Estimate(low, high, low * least, rate.origin)
        return self._promised(job, work)

    def _promised(self, job: Job, work: Workload) -> Estimate | None:
        """By the data sheet of a card, where a job may have one."""
        if not job.gpus:
            return None
        channels = _channels(self._config, job.wildcards["dataset"])
        found = {
            precision: rate
            for precision in dict.fromkeys(card["precision"] for card in self._cards)
            if (
                rate := rates.promised(
                    work.network._replace(precision=precision), channels, self._cards
                )
            )
        }
        if work.network.precision not in found:
            return None
        rate = found.pop(work.network.precision)
        low, high = _seconds_of(work, rate)
        others = {precision: _seconds_of(work, other) for precision, other in found.items()}
        return Estimate(low, high, low * work.least, rate.origin, others)

    def unmeasured(self, jobs: Iterable[Job]) -> dict[Network, int]:
        """Networks of jobs of which no rate is known here, with their pictures' channels."""
        found = {}
        for job in jobs:
            if self._is_copy(job):
                continue
            work = workload.of_job(self._config, job.rule, job.wildcards)
            if work and not _benchmarks(job) and work.network not in self._rates:
                found[work.network] = _channels(self._config, job.wildcards["dataset"])
        return found


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
        return sizes.weights_bytes(config, dataset, job.wildcards["protocol"])
    return None


def new_bytes(config: Mapping[str, Any], job: Job) -> float | None:
    """What a job adds to the disk; files that it replaces count for nothing. None if unknown."""
    new = [output for output in job.outputs if not Path(output).exists()]
    if not new:
        return 0.0
    computed = _computed_bytes(config, job)
    measured = [_measured_bytes(output, job.wildcards) for output in new]
    if all(size is not None for size in measured) and job.rule not in ("download", "extract"):
        return sum(size for size in measured if size is not None)
    return computed
