"""Caltech-UCSD Birds 200-2011: 312 binary attributes, the official division of 11,788 images.

Rows stand in the order of images.txt. An attribute is present where ``is_present`` is 1, however
certain the annotator was, as in the code of Cole et al. (CVPR 2021).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from spml.data.labels import Split
from spml.datasets.tree import find
from spml.plumbing.errors import UserError

TRAINING_FLAG = {"train": 1, "test": 0}


def _tree(root: Path) -> Path:
    """The folder that holds images.txt; some copies have one level more than the archive."""
    return find(
        root, "CUB_200_2011/CUB_200_2011/images.txt", "CUB_200_2011/images.txt", "images.txt"
    ).parent


def image_folder(root: Path) -> Path:
    """Folder of the images."""
    return _tree(root) / "images"


def _columns(path: Path, columns: list[int]) -> pd.DataFrame:
    """Some of the columns of a table separated by blanks; rows may have more than the first has.

    The index counts lines from 0. A row that lacks one of the columns is a UserError.
    """
    try:
        table = pd.read_csv(
            path, sep=r"\s+", header=None, usecols=columns, skip_blank_lines=False,
            keep_default_na=False, na_values=[""],
        )[columns].dropna(how="all")  # fmt: skip
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a table of CUB-200-2011 ({error})") from error
    for line in table.index[table.isna().any(axis=1)][:1]:
        raise UserError(f"{path}, line {line + 1} has too few columns")
    return table


def _flags(path: Path, values: pd.Series, what: str) -> np.ndarray:
    """A column of zeros and ones as bool; any other value is a UserError that names its line."""
    wrong = ~values.isin([0, 1])
    for line, value in values[wrong][:1].items():
        raise UserError(f"{path}, line {line + 1}: {what} is {value}; 0 or 1 is expected")
    return (values == 1).to_numpy()


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; there are no boxes of attributes."""
    tree = _tree(root)
    # attributes.txt lies beside the folder in the archive, inside it in some copies.
    names = _columns(find(tree, "../attributes.txt", "attributes/attributes.txt"), [1])[1]
    images = _columns(tree / "images.txt", [0, 1])
    division = _columns(tree / "train_test_split.txt", [0, 1])
    path = tree / "attributes" / "image_attribute_labels.txt"
    labels = _columns(path, [0, 1, 2])
    if division[0].tolist() != images[0].tolist():
        raise UserError(f"{tree}: train_test_split.txt does not list the images of images.txt")
    expected = np.stack(
        [np.repeat(images[0], len(names)), np.tile(np.arange(1, len(names) + 1), len(images))],
        axis=1,
    )
    if not np.array_equal(labels[[0, 1]].to_numpy(), expected):
        raise UserError(
            f"{path} has {len(labels)} rows; {len(images)} images x {len(names)} attributes, "
            "each once and in order, are expected"
        )
    trains = _flags(tree / "train_test_split.txt", division[1], "the division")
    chosen = trains == TRAINING_FLAG[split]
    truth = _flags(path, labels[2], "is_present").reshape(len(images), len(names))
    paths = images[1].to_numpy(dtype=np.str_)
    return tuple(names.astype(str)), Split(paths[chosen], truth[chosen])
