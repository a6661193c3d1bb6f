"""Stage *take_scores*: scores that were made elsewhere, put where a training would leave its own.

A file of scores names its images and classes, in any order:

name.npz   ``images`` (N,) and ``classes`` (C,) str, ``scores`` (N, C) float
name.csv   ``image`` and a column a class, a row an image, as ``spml.predict`` writes them

All validation and test images of the dataset have to be there, called as ``spml.export_observed``
calls them; of training images scores may be there and are not read. Scores are probabilities, or
``--logits``, of which the logistic function makes them. They are checked and nothing is trained:
the folder has ``predictions.npz``, a history of one epoch, ``run.json`` and their checksums.
"""

import argparse
import csv
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spml.data.labels import Labels, load_labels
from spml.data.matrices import dense
from spml.data.observation import Observation, load_observation
from spml.measures.metrics import mean_average_precision
from spml.plumbing.checksums import RUN_CHECKSUMS, file_checksum, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path, write_json, write_json_lines

OUTPUTS = ("history.jsonl", "predictions.npz", "run.json")
ARRAYS = ("images", "classes", "scores")


def _read_npz(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ARRAYS if name not in arrays]
            if missing:
                raise UserError(
                    f"{path} has no array {' and none '.join(missing)}; it needs images (N), "
                    "classes (C) and scores (N, C)"
                )
            images, classes, scores = (arrays[name] for name in ARRAYS)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as .npz ({error}); write it again") from error
    if not np.issubdtype(scores.dtype, np.floating):
        raise UserError(f"{path}: scores are {scores.dtype}; floating-point numbers are expected")
    return [str(name) for name in images], [str(name) for name in classes], scores


def _read_csv(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
        header, *body = rows or [[""]]
        if header[0] != "image" or len(header) < 2:
            raise UserError(
                f"{path}: the first column must be 'image' and each other one a class; found "
                f"{', '.join(map(repr, header[:5]))}"
            )
        for number, row in enumerate(body, start=2):
            if len(row) != len(header):
                raise UserError(
                    f"{path}: row {number} has {len(row)} cells; its header has {len(header)}"
                )
        scores = np.array([row[1:] for row in body], dtype=np.float64)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a table of scores (.csv): {error}") from error
    return [row[0] for row in body], header[1:], scores.reshape(len(body), len(header) - 1)


def _named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"


def _places(path: Path, kind: str, found: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each name that is wanted stands; a UserError where one is missing or there twice."""
    places = {name: place for place, name in enumerate(found)}
    if len(places) < len(found):
        twice = [name for place, name in enumerate(found) if places[name] != place]
        raise UserError(f"{path}: {kind} {_named(twice)} stands there twice; leave one of them out")
    missing = [name for name in wanted if name not in places]
    if missing:
        raise UserError(
            f"{path} has no scores of {kind} {_named(missing)}; python -m spml.export_observed "
            "writes the names that are expected"
        )
    return [places[name] for name in wanted]


def read_scores(
    path: Path, labels: Labels, rows: np.ndarray, *, logits: bool = False
) -> dict[str, np.ndarray]:
    """``val`` and ``test`` (N, C) float64 in [0, 1], in the order of the dataset.

    rows: the validation rows of the official training split. What is missing, there twice, of
    another class, not finite or outside [0, 1] is a :class:`UserError`.
    """
    read = {".npz": _read_npz, ".csv": _read_csv}.get(path.suffix)
    if read is None:
        raise UserError(f"{path}: scores are read from .npz and .csv; write them as one of these")
    images, classes, scores = read(path)
    if scores.shape != (len(images), len(classes)):
        raise UserError(
            f"{path}: scores have shape {scores.shape}, but there are {len(images)} images and "
            f"{len(classes)} classes"
        )
    unknown = [name for name in classes if name not in labels.classes]
    if unknown:
        raise UserError(f"{path}: class {_named(unknown)} is none of the dataset")
    columns = _places(path, "class", classes, labels.classes)
    paths = labels.train.paths()
    wanted = {"val": [paths[row] for row in rows], "test": labels.test.paths()}
    found = {}
    for split, names in wanted.items():
        own = scores[_places(path, "image", images, names)][:, columns].astype(np.float64)
        wrong = ~np.isfinite(own) | ((own < 0) | (own > 1) if not logits else False)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            hint = "" if logits else "; for scores that are logits say logits: true"
            allowed = "finite numbers" if logits else "numbers from 0 to 1"
            raise UserError(
                f"{path}: {wrong.sum()} scores are no {allowed}, the first that of "
                f"{labels.classes[column]!r} on {names[row]!r}, {own[row, column]:g}{hint}"
            )
        # Kept in double precision, in which fewer ranks are lost where probabilities are nearly 1.
        found[split] = 0.5 * (1.0 + np.tanh(0.5 * own)) if logits else own
    return found


def _history(labels: Labels, observation: Observation, val: np.ndarray) -> dict[str, Any]:
    """What a training records of an epoch, as far as scores alone tell it."""
    rows = observation.val
    annotated = labels.train.annotated
    ignored = None if annotated is None else ~dense(annotated[rows])
    observed = dense(observation.observed[rows]) == 1
    return {
        "epoch": 1,
        "val_map": mean_average_precision(val, dense(labels.train.truth[rows]), ignored),
        "val_map_observed": mean_average_precision(val, observed, ignored),
    }


def take_scores(settings: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Write the run's folder."""
    labels = load_labels(arguments.labels)
    observation = load_observation(arguments.observed)
    if observation.observed.shape != labels.train.truth.shape:
        raise UserError("observed labels and labels are of different datasets")
    found = read_scores(
        arguments.scores, labels, observation.val, logits=settings["scores"]["logits"]
    )
    folder: Path = arguments.output
    with atomic_path(folder / "predictions.npz") as temporary:
        val, test = found["val"], found["test"]
        np.savez_compressed(temporary, val=val, test=test, val_first=val, val_last=val)
    write_json_lines(folder / "history.jsonl", [_history(labels, observation, found["val"])])
    record = {
        "settings": settings,
        "classes": list(labels.classes),
        "image_shape": None,
        "scores": {"file": str(arguments.scores), "sha256": file_checksum(arguments.scores)},
        "git_commit": "",
        "git_dirty": False,
        "device": "not trained here",
        "peak_device_memory_mb": 0,
    }
    write_json(folder / "run.json", record)
    write_checksums(*(folder / name for name in OUTPUTS), into=folder / RUN_CHECKSUMS)
    print(
        f"{arguments.scores}: {len(found['val'])} validation and {len(found['test'])} test images"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.take_scores",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="the run as JSON")
    parser.add_argument("--scores", required=True, type=Path, help="the scores (.npz or .csv)")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--observed", required=True, help="splits and observed labels (.npz)")
    parser.add_argument("--output", required=True, type=Path, help="folder of the run")
    arguments = parser.parse_args()
    take_scores(arguments.settings, arguments)


if __name__ == "__main__":
    run_command(main)
