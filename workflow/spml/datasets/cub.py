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
    """Some of the columns of a table separated by blanks; rows may have more than the first has."""
    try:
        return pd.read_csv(path, sep=r"\s+", header=None, usecols=columns)[columns]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a table of CUB-200-2011 ({error})") from error


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; there are no boxes of attributes."""
    tree = _tree(root)
    # attributes.txt lies beside the folder in the archive, inside it in some copies.
    names = _columns(find(tree, "../attributes.txt", "attributes/attributes.txt"), [1])[1]
    images = _columns(tree / "images.txt", [0, 1])
    division = _columns(tree / "train_test_split.txt", [0, 1])
    path = tree / "attributes" / "image_attribute_labels.txt"
    labels = _columns(path, [0, 1, 2]).to_numpy()
    if not division[0].equals(images[0]):
        raise UserError(f"{tree}: train_test_split.txt does not list the images of images.txt")
    expected = np.stack(
        [np.repeat(images[0], len(names)), np.tile(np.arange(1, len(names) + 1), len(images))],
        axis=1,
    )
    if not np.array_equal(labels[:, :2], expected):
        raise UserError(
            f"{path} has {len(labels)} rows; {len(images)} images x {len(names)} attributes, "
            "each once and in order, are expected"
        )
    chosen = (division[1] == TRAINING_FLAG[split]).to_numpy()
    truth = labels[:, 2].reshape(len(images), len(names)) == 1
    paths = images[1].to_numpy(dtype=np.str_)
    return tuple(names.astype(str)), Split(paths[chosen], truth[chosen])
