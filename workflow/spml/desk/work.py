"""The jobs of one call of Snakemake: which run and have ended, and how long the others take."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from spml.desk.finding import format_time

RUNNING_SHOWN = 2  # of more of them their number by rule
FAILED_SHOWN = 5


class Job(NamedTuple):
    """A job that has started, and when, in seconds."""

    name: str
    rule: str
    since: float


class TimeLeft(NamedTuple):
    """Seconds until all is done; ``least`` where they are those of some of the jobs alone."""

    seconds: float
    least: bool


class Work:
    """Jobs by their numbers, from what Snakemake tells of them; times are in seconds of one clock.

    planned: the number of jobs of each rule, and of all as ``total``. A rule of a single job, such
    as that of a table, tells nothing before it is over: all of these count as one rule.
    """

    def __init__(self, planned: Mapping[str, int], now: float) -> None:
        self.total = planned["total"]
        self.done = 0
        self._planned = {rule: count for rule, count in planned.items() if rule != "total"}
        self._began = now
        self._running: dict[int, Job] = {}
        self._failed: dict[int, Job] = {}
        self._busy = 0.0  # of all jobs that run no more
        # By rule: jobs that are left, jobs that are done, and the time of these.
        self._left = Counter[str]()
        for rule, count in self._planned.items():
            self._left[self._kind(rule)] += count
        self._ended = Counter[str]()
        self._seconds: dict[str, float] = {}

    def _kind(self, rule: str) -> str:
        return rule if self._planned.get(rule, 1) > 1 else ""

    def start(self, job: int, rule: str, wildcards: Mapping[str, str], now: float) -> None:
        """A job starts; one that has failed is tried again."""
        if self._failed.pop(job, None):
            self._left[self._kind(rule)] += 1
        values = (f"seed{value}" if key == "seed" else value for key, value in wildcards.items())
        self._running[job] = Job(f"{rule} {'/'.join(values)}".rstrip(), rule, now)

    def _stop(self, job: int, now: float) -> Job:
        ended = self._running.pop(job)
        self._left[self._kind(ended.rule)] -= 1
        self._busy += now - ended.since
        return ended

    def finish(self, job: int, now: float) -> str:
        """A job is done; its name."""
        ended = self._stop(job, now)
        kind = self._kind(ended.rule)
        self._ended[kind] += 1
        self._seconds[kind] = self._seconds.get(kind, 0.0) + now - ended.since
        self.done += 1
        return ended.name

    def fail(self, job: int, now: float) -> str:
        """A job has failed; its name."""
        self._failed[job] = self._stop(job, now)
        return self._failed[job].name

    def time_left(self, now: float) -> TimeLeft | None:
        """None while no job is done that is like one of those that are left.

        The mean time of its rule for each job, less what running jobs have taken, divided by how
        many jobs have run at once. A job of whose rule none is done takes as long as the others;
        where these are fewer than half, they tell nothing of it, and what they take is the least.
        """
        left = self._left.total()
        mean = {kind: self._seconds[kind] / count for kind, count in self._ended.items()}
        known = sum(self._left[kind] for kind in mean)
        if not known:
            return None if left else TimeLeft(0.0, least=False)
        least = 2 * known <= left
        work = sum(self._left[kind] * mean[kind] for kind in mean)
        if not least:
            work *= left / known
        busy = self._busy
        for job in self._running.values():
            busy += now - job.since
            work -= min(now - job.since, mean.get(self._kind(job.rule), 0.0))
        return TimeLeft(max(work, 0.0) * (now - self._began) / busy if busy else 0.0, least)

    def _time_left(self, now: float) -> str:
        left = self.time_left(now)
        if left is None:
            return "time left unknown"
        return f"{'more than' if left.least else 'about'} {format_time(left.seconds)} left"

    def progress(self, now: float) -> str:
        """How many jobs are done, and how long the others take."""
        return f"{self.done} of {self.total} jobs, {self._time_left(now)}"

    def at_work(self, now: float) -> str:
        """How long it takes, and the names of jobs that run, or of many their number by rule."""
        names = [job.name for job in self._running.values()]
        if len(names) > RUNNING_SHOWN:
            rules = Counter(job.rule for job in self._running.values())
            names = [f"{count} {rule}" for rule, count in rules.items()]
        return ": ".join([self._time_left(now), *filter(None, [", ".join(names)])])

    def outcome(self) -> str:
        """What to say at the end."""
        failed = [job.name for job in self._failed.values()]
        told = [f"{self.done} of {self.total} jobs are done"]
        if failed:
            more = f" and {len(failed) - FAILED_SHOWN} more" if failed[FAILED_SHOWN:] else ""
            told.append(f"failed: {', '.join(failed[:FAILED_SHOWN])}{more}")
        if others := self.total - self.done - len(failed):
            told.append(f"not started: {others}")
        goes_on = " What is done stays, and the same command goes on." if told[1:] else ""
        return f"{'; '.join(told)}.{goes_on}"
