"""Stage *evaluate*: metrics of one run from its scores; knows nothing of losses."""

import argparse
from typing import Any

import numpy as np

from spml.errors import run_command
from spml.files import read_json_lines, write_json
from spml.labels import load_labels
from spml.metrics import average_precision
from spml.observe import load_observation
from spml.selection import select_epoch


def measure(scores: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """mAP and AP of each class in percent; scores (N, C) float, truth (N, C) bool."""
    precision = 100.0 * average_precision(scores, truth)
    return {"map": float(precision.mean()), "ap": precision.tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.evaluate", description=__doc__)
    parser.add_argument("--predictions", required=True, help="predictions.npz of the run")
    parser.add_argument("--history", required=True, help="history.jsonl of the run")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--observed", required=True, help="splits and observed labels (.npz)")
    parser.add_argument("--selection", required=True, choices=("clean", "observed"))
    parser.add_argument("--output", required=True, help="the metrics.json to write")
    arguments = parser.parse_args()
    labels = load_labels(arguments.labels)
    val_rows = load_observation(arguments.observed).val
    with np.load(arguments.predictions, allow_pickle=False) as predictions:
        metrics = {
            "val": measure(predictions["val"], labels.train.truth[val_rows]),
            "test": measure(predictions["test"], labels.test.truth),
            "selected_epoch": select_epoch(read_json_lines(arguments.history), arguments.selection),
        }
    write_json(arguments.output, metrics)


if __name__ == "__main__":
    run_command(main)
