"""Say what would run and why, how long it takes and what it writes: ``python -m spml.plan``.

Takes the arguments of snakemake (targets, --configfile, --workflow-profile and all others) and asks
Snakemake itself, in a dry run: nothing is run or written. --by-method gives each method a line.
--measure steps each network a few seconds on the device that would train it, where no run here has
said how fast it is.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spml.desk import dry_run
from spml.desk.cost import summary, time_of
from spml.desk.dry_run import Job
from spml.desk.estimates import Estimates
from spml.desk.rates import measure
from spml.desk.targets import with_targets_first
from spml.desk.terminal import align, terminal_width
from spml.exhibits.markdown import Table
from spml.planning.files import load, require_project
from spml.plumbing.errors import run_command

LOSSES = "workflow/spml/losses"
OWN_OPTIONS = ("--by-method", "--measure")
METHODS_SHOWN = 4
FILES_SHOWN = 3

KEEP = """\
To keep results where you know that a change does not matter (missing files stay missing):
  snakemake --touch TARGETS           whatever has changed, for these files and their inputs
  snakemake --rerun-triggers mtime    once, without changed settings (edited files still count)
  snakemake --cleanup-metadata FILES  for good, without changed settings of these files"""


class Group(NamedTuple):
    """Jobs of one line of the plan."""

    what: str
    dataset: str
    method: str
    why: str


def _clauses(reason: str) -> dict[str, list[str]]:
    """Snakemake's sentences on why a job runs, each with the files that it names."""
    clauses = {}
    for clause in reason.split("; "):
        title, _, files = clause.partition(": ")
        clauses[title] = files.split(", ") if files else []
    return clauses


def _shorten(names: Sequence[str], limit: int) -> str:
    more = [f"and {len(names) - limit} more"] if len(names) > limit else []
    return " ".join([", ".join(names[:limit]), *more])


def _kind(path: str, losses: Sequence[str]) -> str:
    """What a file is to somebody who asks why a job runs."""
    place = Path(path)
    if str(place.parent) == LOSSES and place.stem in losses:
        return "changed loss"
    if place.parts[:1] == ("workflow",):
        return "changed shared code" if place.parts[1:2] == ("spml",) else "changed template"
    if place.parts[:2] == ("config", "published"):
        return "changed published numbers"
    return "changed settings" if place.parts[:1] == ("config",) else "changed data"


def explain(reason: str, losses: Sequence[str]) -> str:
    """Why a job runs, in words of this project.

    losses: names of the modules that hold one loss each.
    """
    clauses = _clauses(reason)
    if "Forced execution" in clauses:
        return "asked for (forced)"
    if "Missing output files" in clauses:
        return "new: its files are not there"
    if "Incomplete output files" in clauses:
        return "incomplete: it was interrupted"
    causes: dict[str, list[str]] = {}
    for path in sorted(clauses.get("Updated input files", []), key=os.path.basename):
        causes.setdefault(_kind(path, losses), []).append(Path(path).name)
    told = [f"{kind}: {_shorten(names, FILES_SHOWN)}" for kind, names in causes.items()]
    if any(title.startswith("Params have changed") for title in clauses):
        told.append("changed settings")
    if "Set of input files has changed since last execution" in clauses:
        told.append("other inputs than before")
    if "Code has changed since last execution" in clauses:
        told.append("changed rule")
    if "Software environment definition has changed since last execution" in clauses:
        told.append("changed environment")
    if told:
        return "; ".join(told)
    if "Input files updated by another job" in clauses:
        return "follows from jobs above"
    return reason.partition(":")[0]


def _what(job: Job) -> str:
    stage = Path(job.benchmark).parent.name if job.benchmark else ""
    return "exhibits" if stage == "exhibits" else job.rule


def _groups(jobs: Sequence[Job], losses: Sequence[str], by_method: bool) -> dict[Group, list[Job]]:
    groups: dict[Group, list[Job]] = {}
    for job in jobs:
        group = Group(
            _what(job),
            job.wildcards.get("dataset", ""),
            job.wildcards.get("method", "") if by_method else "",
            explain(job.reason, losses),
        )
        groups.setdefault(group, []).append(job)
    # Stages in the order in which Snakemake names them, which is that of the data.
    stages = list(dict.fromkeys(group.what for group in groups))
    return dict(sorted(groups.items(), key=lambda item: (stages.index(item[0].what), item[0])))


def table(
    jobs: Sequence[Job], losses: Sequence[str], by_method: bool, estimates: Estimates
) -> Table:
    """One line for the jobs of one rule and dataset that run for the same reason."""
    rows = []
    for group, members in _groups(jobs, losses, by_method).items():
        methods = sorted({job.wildcards["method"] for job in members if "method" in job.wildcards})
        rows.append(
            [
                group.what,
                str(len(members)),
                group.dataset or "–",
                _shorten(methods, METHODS_SHOWN) or "–",
                time_of(members, estimates),
                group.why,
            ]
        )
    return Table(["What", "Jobs", "Dataset", "Methods", "Time", "Why"], rows)


def main() -> None:
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        options = " ".join(f"[{option}]" for option in OWN_OPTIONS)
        print(f"usage: python -m spml.plan {options} [snakemake's arguments]\n\n{__doc__}")
        return
    require_project()
    from spml.planning.checks import loss_hyperparameters

    by_method, measured = "--by-method" in arguments, "--measure" in arguments
    asked = [argument for argument in arguments if argument not in OWN_OPTIONS]
    plan = dry_run.plan(with_targets_first(asked))
    jobs = [job for job in plan.jobs if job.benchmark]  # targets such as "all" run nothing
    if not jobs:
        print("Nothing is to be done: all that was asked for is there and up to date.")
        return
    losses = list(loss_hyperparameters(LOSSES))
    config = load(plan.configuration)
    estimates = Estimates(config)
    if measured:
        rates = measure(estimates.unmeasured(jobs), config["device"], config["threads"])
        estimates = Estimates(config, rates)
    print(align(table(jobs, losses, by_method, estimates), width=terminal_width()))
    print(f"{len(jobs)} jobs are to be run.")
    print(summary(config, jobs, estimates))
    if any(not explain(job.reason, losses).startswith(("new", "follows")) for job in jobs):
        print(f"\n{KEEP}")


if __name__ == "__main__":
    run_command(main)
