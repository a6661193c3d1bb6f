"""Say what would make a run fail later: ``python -m spml.doctor [--configfile FILE ...]``.

One line a finding, ``ok``, ``note`` or ``FAIL``; exit status 1 where something would fail. With
--free, checkpoints of finished runs are deleted, which nothing needs any more.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spml.desk import data, disk, machine, results, training, workflow
from spml.desk.finding import FAIL, Finding
from spml.desk.targets import with_targets_first
from spml.planning import preflight
from spml.planning.files import merged_files, refuse_repeated
from spml.plumbing.errors import run_command


def load_checked(files: Sequence[str]) -> dict[str, Any]:
    """The merged configuration; a mistake in it is a UserError."""
    return preflight.check(merged_files(files))


def examine(config: Mapping[str, Any]) -> list[Finding]:
    """All findings, in the order in which a run would meet them."""
    return [
        *workflow.check_lock(),
        *workflow.check_incomplete(),
        *machine.check_packages(),
        *machine.check_gpu(config),
        *data.check_data(config),
        *training.check_training(config),
        *results.check_results(),
        *disk.check_space(config),
        *disk.check_checkpoints(config),
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
    arguments = parser.parse_args(with_targets_first(sys.argv[1:]))
    refuse_repeated(sys.argv[1:])
    config = load_checked(arguments.configfile)
    if arguments.free:
        print(disk.delete_needless_checkpoints(config))
        return
    findings = examine(config)
    for finding in findings:
        print(f"{finding.level:<5}{finding.text}")
    sys.exit(any(finding.level == FAIL for finding in findings))


if __name__ == "__main__":
    run_command(main)
