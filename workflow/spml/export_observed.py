"""Observed labels and splits for code of your own: ``python -m spml.export_observed``.

Code that trains on them trains on the same draw as the runs here, and its scores can stand beside
theirs (``scores`` of a method in config/README.md). Into a folder:

labels.npz       classes (C,); train_images, val_images, test_images (N,); train_rows and val_rows,
                 which of the official training split they are; train_observed and val_observed
                 (N, C) int8, 1 present, -1 known to be absent, 0 not observed; val_truth and
                 test_truth likewise
train.csv        image and a column a class: 1 present, 0 known to be absent, empty not observed
validation.csv   the same, with all that is known of the validation images
test.csv         the same of the test images; only to be evaluated on
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spml.data.labels import Split, load_labels
from spml.data.matrices import dense
from spml.data.observation import load_observation
from spml.plumbing.addresses import labels_path, observed_path
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path, write_csv

CELLS = {1: "1", -1: "0", 0: ""}


def known_labels(split: Split, rows: np.ndarray) -> np.ndarray:
    """All that is known of some rows: (N, C) int8, 1 present, -1 absent, 0 nobody looked."""
    signs = np.where(dense(split.truth[rows]), 1, -1).astype(np.int8)
    return signs if split.annotated is None else signs * dense(split.annotated[rows])


def _write_csv(
    path: Path, classes: Sequence[str], images: Sequence[str], labels: np.ndarray
) -> None:
    rows = zip(images, labels.tolist(), strict=True)
    cells = ([str(image), *map(CELLS.__getitem__, row)] for image, row in rows)
    write_csv(path, ["image", *classes], cells)


def export(labels_file: Path, observed_file: Path, folder: Path) -> str:
    """Write the folder; what is in it, in a line."""
    labels, observation = load_labels(labels_file), load_observation(observed_file)
    if observation.observed.shape != labels.train.truth.shape:
        raise UserError(f"{observed_file} and {labels_file} are of different datasets")
    paths = np.array(labels.train.paths())
    images = {
        "train": paths[observation.train],
        "val": paths[observation.val],
        "test": np.array(labels.test.paths()),
    }
    observed = {
        split: dense(observation.observed[rows])
        for split, rows in (("train", observation.train), ("val", observation.val))
    }
    truth = {
        "val": known_labels(labels.train, observation.val),
        "test": known_labels(labels.test, np.arange(len(images["test"]))),
    }
    with atomic_path(folder / "labels.npz") as temporary:
        np.savez_compressed(
            temporary,
            classes=np.array(labels.classes),
            train_rows=observation.train,
            val_rows=observation.val,
            train_images=images["train"],
            val_images=images["val"],
            test_images=images["test"],
            train_observed=observed["train"],
            val_observed=observed["val"],
            val_truth=truth["val"],
            test_truth=truth["test"],
        )
    for name, split, values in (
        ("train", "train", observed["train"]),
        ("validation", "val", truth["val"]),
        ("test", "test", truth["test"]),
    ):
        _write_csv(folder / f"{name}.csv", labels.classes, images[split].tolist(), values)
    counts = ", ".join(f"{len(names)} {split}" for split, names in images.items())
    return f"{folder}: {counts} images, {len(labels.classes)} classes"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.export_observed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", required=True, help="a key of datasets")
    parser.add_argument("--protocol", required=True, help="a key of protocols")
    parser.add_argument("--observation", default="single_positive", help="a key of observations")
    parser.add_argument("--output", required=True, type=Path, help="the folder to write")
    arguments = parser.parse_args()
    files = (
        labels_path(arguments.dataset),
        observed_path(arguments.dataset, arguments.protocol, arguments.observation),
    )
    for path in files:
        if not path.is_file():
            raise UserError(
                f"{path} is not there; make it with: snakemake --workflow-profile "
                f"workflow/profiles/default {' '.join(map(str, files))}"
            )
    print(export(*files, arguments.output))


if __name__ == "__main__":
    run_command(main)
