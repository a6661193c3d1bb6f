"""Say what would make a run fail later: ``python -m spml.doctor [--configfile FILE ...]``.

One line a finding, ``ok``, ``note`` or ``FAIL``; exit status 1 where something would fail. With
--free, checkpoints of finished runs are deleted, which nothing needs any more.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spml import (
    configuration_files,
    health_data,
    health_disk,
    health_machine,
    health_results,
    health_workflow,
    preflight,
)
from spml.errors import run_command
from spml.finding import FAIL, Finding


def load_checked(files: Sequence[str]) -> dict[str, Any]:
    """The merged configuration; a mistake in it is a UserError."""
    preflight.check(configuration_files.merged_files(files))
    return configuration_files.load(files)


def examine(config: Mapping[str, Any]) -> list[Finding]:
    """All findings, in the order in which a run would meet them."""
    return [
        *health_workflow.check_lock(),
        *health_workflow.check_incomplete(),
        *health_machine.check_packages(),
        *health_machine.check_gpu(config),
        *health_data.check_data(config),
        *health_results.check_results(),
        *health_disk.check_space(config),
        *health_disk.check_checkpoints(config),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # half of --free deletes nothing
    )
    parser.add_argument(
        "--configfile", nargs="+", default=[], metavar="FILE", help="as given to snakemake"
    )
    parser.add_argument("--free", action="store_true", help="delete checkpoints of finished runs")
    arguments = parser.parse_args()
    config = load_checked(arguments.configfile)
    if arguments.free:
        print(health_disk.delete_needless_checkpoints(config))
        return
    findings = examine(config)
    for finding in findings:
        print(f"{finding.level:<5}{finding.text}")
    sys.exit(any(finding.level == FAIL for finding in findings))


if __name__ == "__main__":
    run_command(main)
