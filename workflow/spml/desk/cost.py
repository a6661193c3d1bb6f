"""The cost of jobs in words: their time, hours of GPUs and cores, and disk."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from spml.desk.dry_run import Job
from spml.desk.estimates import Estimate, Estimates, new_bytes
from spml.desk.finding import format_bytes, format_time
from spml.planning.shown import exhibit_runs, shown_exhibits

MEASURE = (
    "How fast networks are on this machine: make plan MEASURE=1 tries them, some seconds each."
)


def _range(low: float, high: float) -> str:
    """``5 min``, or ``3 to 9 h`` where it may be more than half as much again."""
    first, last = format_time(low), format_time(high)
    if high < 1.5 * low or first == last:
        return format_time((low + high) / 2)
    (number, unit), (_, other) = first.split(), last.split()
    return f"{number} to {last}" if unit == other else f"{first} to {last}"


def time_of(jobs: Sequence[Job], estimates: Estimates) -> str:
    """The summed time of jobs one after the other, as far as it is known."""
    known = [one for job in jobs if (one := estimates.of(job))]
    if not known:
        return "not known"
    more = " and more" if len(known) < len(jobs) else ""
    return _range(sum(one.low for one in known), sum(one.high for one in known)) + more


def _hours(low: float, high: float) -> str:
    """Hours of so many seconds, with as many digits as they deserve."""

    def text(seconds: float) -> str:
        return f"{seconds / 3600:,.2f}" if seconds < 36000 else f"{seconds / 3600:,.0f}"

    if 0 < high < 36:
        return "less than 0.01"
    return text((low + high) / 2) if high < 1.5 * low else f"{text(low)} to {text(high)}"


class _Share(NamedTuple):
    """A job of which something is known, and how many GPUs or cores it takes."""

    job: Job
    estimate: Estimate
    units: int


def _sum(shares: Iterable[_Share], precision: str = "") -> tuple[float, float]:
    """Least and greatest seconds, those of another precision where they are known."""
    pairs = [
        (share.units, share.estimate.in_precision.get(precision, share.estimate[:2]))
        for share in shares
    ]
    return sum(u * low for u, (low, _) in pairs), sum(u * high for u, (_, high) in pairs)


def _origins(shares: Sequence[_Share], jobs: int) -> str:
    counts = Counter(share.estimate.origin for share in shares)
    told = [f"{count} by {origin}" for origin, count in counts.items()]
    if len(shares) < jobs:
        told.append(f"{jobs - len(shares)} not known, since nothing like them has run here")
    return f"jobs: {'; '.join(told)}"


def _units(job: Job) -> int:
    """GPUs that a job takes, or cores where it takes none."""
    return job.gpus or job.threads


def _shares(jobs: Iterable[Job], estimates: Estimates) -> list[_Share]:
    return [_Share(job, one, _units(job)) for job in jobs if (one := estimates.of(job))]


def _cost(what: str, jobs: Sequence[Job], estimates: Estimates) -> str:
    """Hours of jobs, each times the GPUs or cores that it takes, and what they are from."""
    shares = _shares(jobs, estimates)
    if not shares:
        return f"{what}: not known, since nothing like these {len(jobs)} jobs has run here"
    low, high = _sum(shares)
    lines = [f"{what}: {_hours(low, high)} ({_origins(shares, len(jobs))})"]
    datasets: dict[str, list[_Share]] = {}
    for share in shares:
        datasets.setdefault(share.job.wildcards.get("dataset", "others"), []).append(share)
    if len(datasets) > 1:
        told = [f"{name} {_hours(*_sum(group))}" for name, group in datasets.items()]
        lines.append(f"  of these {', '.join(told)}")
    least = sum(share.units * share.estimate.least for share in shares)
    if least < 0.9 * low:
        lines.append(f"  {_hours(least, least)} at least, if each run stops as early as it may")
    for precision in dict.fromkeys(
        name for share in shares for name in share.estimate.in_precision
    ):
        lines.append(f"  in {precision}: {_hours(*_sum(shares, precision))}")
    return "\n".join(lines)


def _by_exhibit(config: Mapping[str, Any], jobs: Sequence[Job], estimates: Estimates) -> str:
    """Hours of the trainings that each exhibit alone needs; nothing where all need the same."""
    trainings = {
        tuple(job.wildcards[key] for key in ("dataset", "protocol", "method", "seed")): job
        for job in jobs
        if job.rule == "train"
    }
    found: dict[tuple[float, float], list[str]] = {}
    for exhibit in shown_exhibits(config):
        addresses = (tuple(map(str, run)) for run in exhibit_runs(config, exhibit))
        needed = [trainings[address] for address in addresses if address in trainings]
        if shares := _shares(needed, estimates):
            found.setdefault(_sum(shares), []).append(exhibit)
    if len(found) < 2:
        return ""
    dearest = sorted(found, reverse=True)
    told = [f"{_hours(*hours)} for {', '.join(found[hours])}" for hours in dearest]
    return f"  trainings that one exhibit alone needs: {'; '.join(told)}"


def summary(config: Mapping[str, Any], jobs: Sequence[Job], estimates: Estimates) -> str:
    """Hours of jobs with and without a GPU, and disk, each with where the number is from."""
    training = [job for job in jobs if job.gpus]
    others = [job for job in jobs if not job.gpus]
    lines = []
    if training:
        lines.append(_cost("Hours of jobs that ask for a GPU", training, estimates))
    if others:
        what = "CPU-hours of the other jobs" if training else "CPU-hours"
        lines.append(_cost(what, others, estimates))
    if exhibits := _by_exhibit(config, jobs, estimates):
        lines.append(exhibits)
    if estimates.unmeasured(jobs):
        lines.append(MEASURE)
    written = [new_bytes(config, job) for job in jobs]
    unknown = sum(size is None for size in written)
    note = f" and what {unknown} jobs write of which nothing is known yet" if unknown else ""
    total = sum(size for size in written if size is not None)
    lines.append(f"Disk: {format_bytes(total)} more{note}")
    return "\n".join(lines)
