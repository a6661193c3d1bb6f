"""What Snakemake would run, from its own dry run: one record a job."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spml.planning.files import read
from spml.plumbing.errors import UserError

PROFILE = "workflow/profiles/default"


@dataclass(frozen=True)
class Job:
    """A job that would run.

    reason: Snakemake's own words. minutes: its time limit, None where it has none.
    """

    rule: str
    wildcards: dict[str, str]
    reason: str
    outputs: tuple[str, ...]
    benchmark: str | None
    gpus: int
    threads: int
    minutes: float | None


@dataclass(frozen=True)
class Plan:
    """Jobs in the order in which Snakemake names them, and the configuration files that it read."""

    jobs: list[Job]
    configuration: list[str]


def _number(value: Any) -> float | None:
    """A resource as a number; None for what is known only when the job starts."""
    return float(value) if isinstance(value, int | float) else None


def _job(record: Any) -> Job:
    resources = dict(record.resources.items())
    return Job(
        rule=record.rule_name,
        wildcards=dict(record.wildcards or {}),
        reason=record.reason,
        outputs=tuple(map(str, record.output)),
        benchmark=str(record.benchmark) if record.benchmark else None,
        gpus=int(_number(resources.get("gpu")) or 0),
        threads=record.threads if isinstance(record.threads, int) else 1,
        minutes=_number(resources.get("runtime")),
    )


def plan(arguments: Sequence[str]) -> Plan:
    """What ``snakemake`` with these arguments would run; nothing is run or written.

    The profile for one machine is taken where no other is named. Snakemake itself prints what is
    wrong with the configuration or a target; a UserError ends the command after it.
    """
    from snakemake import cli
    from snakemake.logging import logger
    from snakemake_interface_logger_plugins.common import LogEvent

    jobs: list[Job] = []

    def collect(record: logging.LogRecord) -> bool:
        # Snakemake removes handlers that are not its own, but leaves filters alone.
        if getattr(record, "event", None) is LogEvent.JOB_INFO:
            jobs.append(_job(record))
        return record.levelno >= logging.WARNING

    profile = [] if any(a.startswith("--workflow-profile") for a in arguments) else [PROFILE]
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"snakemake\.")
    parser, parsed = cli.parse_args(
        [*(f"--workflow-profile={name}" for name in profile), "--dry-run", *arguments]
    )
    for path in parsed.configfile or ():
        read(path)  # says in a sentence what Snakemake says in a stack trace
    logger.addFilter(collect)
    try:
        planned = cli.args_to_api(parsed, parser)
    finally:
        logger.removeFilter(collect)
    if not planned:
        raise UserError("Snakemake cannot plan this; what is wrong stands above")
    return Plan(jobs, [str(path) for path in parsed.configfile or ()])
