"""Stage *import_features*: a dataset that comes as features, with the labels of its images.

One ``.npz`` holds ``train`` and ``test``, features (N, F) of any real type; ``train_truth`` and
``test_truth``, (N, C) of 0 and 1; and ``classes``, (C,) text. ``train_images`` and ``test_images``,
(N,) text, may name the images; without them rows are named by their number. Features are stored as
float32, times a scale where they were kept as whole numbers.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from spml.data.labels import SPLITS, Labels, Split, save_labels
from spml.plumbing.arrays import open_arrays
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path


def _array(arrays: Any, path: Path, name: str, dimensions: int) -> np.ndarray:
    if name not in arrays:
        raise UserError(f"{path}: there is no array {name!r}; it has {', '.join(arrays)}")
    array: np.ndarray = arrays[name]
    if array.ndim != dimensions or not len(array):
        raise UserError(f"{path}: {name} has shape {array.shape}; {dimensions} axes are expected")
    return array


def read_features(path: Path, split: str, scale: float = 1.0) -> np.ndarray:
    """Features (N, F) float32 of ``split``; what is not a finite number is a UserError."""
    with open_arrays(path) as arrays:
        stored = _array(arrays, path, split, 2)
    if stored.dtype.kind not in "fiu":
        raise UserError(f"{path}: {split} is of type {stored.dtype}; numbers are expected")
    features: np.ndarray = (stored * np.float64(scale)).astype(np.float32)
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise UserError(f"{path}: row {broken[0]} of {split} has a value that is not finite")
    return features


def read_labels(path: Path) -> Labels:
    """Class names and truth of both splits; anything but 0 and 1 is a UserError."""
    splits = {}
    with open_arrays(path) as arrays:
        classes = tuple(map(str, _array(arrays, path, "classes", 1)))
        for split in SPLITS:
            truth = _array(arrays, path, f"{split}_truth", 2)
            rows = len(_array(arrays, path, split, 2))
            if truth.shape != (rows, len(classes)):
                raise UserError(
                    f"{path}: {split}_truth has shape {truth.shape}; {rows} rows of {split} and "
                    f"{len(classes)} classes are expected"
                )
            wrong = np.argwhere(~np.isin(truth, (0, 1)))
            if len(wrong):
                row, column = wrong[0].tolist()
                raise UserError(
                    f"{path}: {split}_truth of row {row}, {classes[column]} is "
                    f"{truth[row, column]}; allowed: 0 (absent) and 1 (present)"
                )
            names = f"{split}_images"
            images = (
                _array(arrays, path, names, 1).astype(np.str_)
                if names in arrays
                else np.array([f"{split}/{row}" for row in range(rows)])
            )
            if len(images) != rows:
                raise UserError(f"{path}: {names} has {len(images)} names; {split} has {rows} rows")
            splits[split] = Split(images, truth.astype(np.bool_))
    if len(set(classes)) < len(classes):
        raise UserError(f"{path}: a class stands twice in classes")
    return Labels(classes=classes, **splits)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.import_features",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", required=True, type=Path, help="features and labels (.npz)")
    parser.add_argument("--scale", type=float, default=1.0, help="what features are multiplied by")
    parser.add_argument("--labels", required=True, type=Path, help="the labels .npz to write")
    for split in SPLITS:
        parser.add_argument(f"--{split}", required=True, type=Path, help="the .npy to write")
    arguments = parser.parse_args()
    labels = read_labels(arguments.file)
    features = {split: read_features(arguments.file, split, arguments.scale) for split in SPLITS}
    widths = {split: array.shape[1] for split, array in features.items()}
    if len(set(widths.values())) > 1:
        raise UserError(f"{arguments.file}: features of train and test differ in length: {widths}")
    for split, array in features.items():
        output = getattr(arguments, split)
        with atomic_path(output) as temporary:
            np.save(temporary, array)
        write_checksums(output)
        print(f"{split}: {array.shape[0]} rows of {array.shape[1]} features")
    save_labels(arguments.labels, labels)


if __name__ == "__main__":
    run_command(main)
