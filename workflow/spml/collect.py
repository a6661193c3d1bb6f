"""Stage *collect*: the metrics of all runs of one exhibit as one tidy table.

One row a run and metric: ``test_map``, ``val_map`` and ``test_ap_<class>`` in percent, likewise
``test_map_g<n>`` of the n-th group of classes where there are groups, and ``selected_epoch``,
counted from 1.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from spml.data.labels import load_labels
from spml.plumbing.addresses import labels_path, run_path
from spml.plumbing.checksums import verified, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path, read_json

COLUMNS = ["paper", "exhibit", "dataset", "protocol", "method", "seed", "metric", "value"]


def run_metrics(metrics: dict[str, Any], classes: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Name and value of each metric of one run; ``metrics`` is its metrics.json."""
    precisions = metrics["test"]["ap"]
    if len(precisions) != len(classes):
        raise UserError(f"metrics of {len(precisions)} classes but labels of {len(classes)}")
    yield "test_map", metrics["test"]["map"]
    yield "val_map", metrics["val"]["map"]
    yield "selected_epoch", metrics["selected_epoch"]
    for number, value in enumerate(metrics["test"].get("group_map", []), start=1):
        yield f"test_map_g{number}", value
    for name, precision in zip(classes, precisions, strict=True):
        yield f"test_ap_{name}", precision


def collect(settings: dict[str, Any]) -> pd.DataFrame:
    """The tidy table of the exhibit that ``settings`` describe, in their order."""
    rows = []
    for block in settings["blocks"]:
        classes = load_labels(labels_path(block["dataset"])).classes
        for method in block.get("methods", [method["name"] for method in settings["methods"]]):
            for seed in settings["seeds"]:
                address = (block["dataset"], block["protocol"], method, seed)
                metrics = read_json(verified(run_path(*address) / "metrics.json"))
                rows += [
                    (settings["paper"], settings["name"], *address, metric, value)
                    for metric, value in run_metrics(metrics, classes)
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.collect", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="the exhibit as JSON")
    parser.add_argument(
        "--output", required=True, help="the .csv to write, with a .sha256 beside it"
    )
    arguments = parser.parse_args()
    with atomic_path(arguments.output) as temporary:
        collect(arguments.settings).to_csv(temporary, index=False)
    write_checksums(arguments.output)


if __name__ == "__main__":
    run_command(main)
