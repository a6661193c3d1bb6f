"""What exhibits of single classes share: how frequent each is, its AP, and groups of many."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits.settings import Block
from spml.plumbing.addresses import labels_path, observed_path, run_path
from spml.plumbing.checksums import verified
from spml.plumbing.files import read_json

GROUPS = 10  # of the classes of a dataset that has too many to be shown one by one


class Classes(NamedTuple):
    """The C classes of a dataset, in its order.

    names: of each. positives: (C,) training images in which each is present, observed or not;
    where the dataset is annotated in part, in which it is known to be. groups: (C,) to which each
    belongs, counted from 1, from the most frequent to the rarest; where there are few classes,
    each is one of its own. whole: whether everything is annotated.
    """

    names: tuple[str, ...]
    positives: np.ndarray
    groups: np.ndarray
    whole: bool


def group_classes(positives: np.ndarray, most: int) -> np.ndarray:
    """Groups (C,) int from 1, of equal size, of classes with (C,) positives.

    Up to ``most`` classes are groups of their own; more than these are in ten groups. Classes that
    are equally frequent stand in the order of the dataset.
    """
    count = len(positives)
    order = np.argsort(-positives, kind="stable")
    groups = np.empty(count, dtype=np.int64)
    for number, members in enumerate(
        np.array_split(order, count if count <= most else GROUPS), start=1
    ):
        groups[members] = number
    return groups


def read_classes(block: Block, most: int) -> Classes:
    """The classes of a block, counted on the training rows of its protocol.

    most: how many are shown one by one.
    """
    labels = load_labels(labels_path(block.dataset))
    observation = load_observation(observed_path(block.dataset, block.protocol, block.observation))
    positives = np.asarray(labels.train.truth[observation.train].sum(axis=0)).ravel()
    return Classes(
        labels.classes, positives, group_classes(positives, most), labels.train.annotated is None
    )


def class_precisions(block: Block, method: str, seeds: Sequence[int]) -> np.ndarray:
    """AP (S, C) of each seed and class on the test images in percent; NaN where there is none."""
    metrics = (
        read_json(verified(run_path(block.dataset, block.protocol, method, seed) / "metrics.json"))
        for seed in seeds
    )
    return np.array([found["test"]["ap"] for found in metrics], dtype=np.float64)
