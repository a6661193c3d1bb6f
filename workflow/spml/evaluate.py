"""Stage *evaluate*: metrics of one run from its scores; knows nothing of losses."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spml.data.labels import Labels, load_labels
from spml.data.matrices import Matrix, dense
from spml.data.observation import load_observation
from spml.measures.metrics import average_precision
from spml.measures.selection import select_epoch
from spml.plumbing.arrays import open_arrays
from spml.plumbing.checksums import verified, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import read_json_lines, write_json

# Classes whose truth is made dense at once, where it is sparse.
CLASSES_AT_ONCE = 500


def _average_precision(scores: np.ndarray, truth: Matrix, annotated: Matrix | None) -> np.ndarray:
    if annotated is None:
        return average_precision(scores, dense(truth))
    count = scores.shape[1]
    parts = (range(i, min(i + CLASSES_AT_ONCE, count)) for i in range(0, count, CLASSES_AT_ONCE))
    return np.concatenate(
        [
            average_precision(scores[:, part], dense(truth[:, part]), ~dense(annotated[:, part]))
            for part in parts
        ]
    )


def measure(
    scores: np.ndarray,
    truth: Matrix,
    annotated: Matrix | None = None,
    groups: Sequence[np.ndarray] = (),
) -> dict[str, Any]:
    """mAP and AP of each class in percent; scores (N, C) float, truth (N, C) bool.

    annotated: (N, C) bool where only some entries are known: only they count, and a class without
    any has no AP (null). groups: class indices of groups whose mAP is given too, null where no
    class of a group is known. Where nothing at all is known there is no mAP: a UserError.
    """
    precision = 100.0 * _average_precision(scores, truth, annotated)
    known = ~np.isnan(precision)
    if not known.any():
        raise UserError("no class has an annotated entry in a split, so that there is no mAP")
    result: dict[str, Any] = {
        "map": float(np.nanmean(precision)),
        "ap": [None if np.isnan(value) else value for value in precision.tolist()],
    }
    if groups:
        result["group_map"] = [
            float(np.nanmean(precision[group])) if known[group].any() else None for group in groups
        ]
    return result


def annotation_groups(labels: Labels, count: int = 5) -> list[np.ndarray]:
    """Classes in equal groups, from the fewest training annotations to the most.

    Empty where everything is annotated, or there are fewer classes than groups. These are the
    groups of the OpenImages table of the Large Loss paper; classes with equally many annotations
    stand in the order of the dataset.
    """
    train = labels.train
    if train.annotated is None or len(labels.classes) < count:
        return []
    annotations = train.annotated[: len(train.images) - train.validation].sum(axis=0)
    return np.array_split(np.argsort(annotations, kind="stable"), count)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.evaluate", description=__doc__)
    parser.add_argument("--predictions", required=True, help="predictions.npz of the run")
    parser.add_argument("--history", required=True, help="history.jsonl of the run")
    parser.add_argument("--checksums", required=True, type=Path, help="run.sha256 of the run")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--observed", required=True, help="splits and observed labels (.npz)")
    parser.add_argument("--selection", required=True, choices=("clean", "observed"))
    parser.add_argument("--output", required=True, help="the metrics.json to write, with a .sha256")
    arguments = parser.parse_args()
    # A history that has lost its last lines still looks like one.
    history = read_json_lines(verified(arguments.history, arguments.checksums))
    labels = load_labels(arguments.labels)
    rows = load_observation(arguments.observed).val
    groups = annotation_groups(labels)
    val_annotated = None if labels.train.annotated is None else labels.train.annotated[rows]
    with open_arrays(verified(arguments.predictions, arguments.checksums)) as predictions:
        metrics: dict[str, Any] = {
            "val": measure(predictions["val"], labels.train.truth[rows], val_annotated, groups),
            "test": measure(predictions["test"], labels.test.truth, labels.test.annotated, groups),
        }
    metrics["selected_epoch"] = select_epoch(history, arguments.selection)
    write_json(arguments.output, metrics)
    write_checksums(arguments.output)


if __name__ == "__main__":
    run_command(main)
