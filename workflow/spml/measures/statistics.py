"""Bootstrap of mAP over seeds and test images together."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spml.plumbing.arrays import open_arrays

# Resamples are weighed in blocks of this many weights, which bounds memory on large test sets.
BLOCK = 2_000_000


@dataclass(frozen=True)
class Resamples:
    """R draws with replacement of S seeds and N images.

    seeds: (R, S) int, positions in the list of seeds. weights: (R, N) int32, how often each image
    was drawn; every row sums to N.
    """

    seeds: np.ndarray
    weights: np.ndarray


def draw_resamples(*, resamples: int, seeds: int, images: int, random_seed: int = 0) -> Resamples:
    """Draw once what all methods share, so that their differences are paired."""
    generator = np.random.default_rng(random_seed)
    return Resamples(
        seeds=generator.integers(seeds, size=(resamples, seeds)),
        weights=generator.multinomial(images, np.full(images, 1 / images), size=resamples).astype(
            np.int32
        ),
    )


def weighted_average_precision(
    scores: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision of one class, for many weightings of the same images.

    scores: (N,) float. truth: (N,) bool. weights: (R, N) int, how often each image counts.
    Returns (R,) float64 in [0, 1], equal to :func:`spml.measures.metrics.average_precision` of the
    images repeated as often as they count, ties included; 0 where no positive counts.

    The images are sorted once. Walking down the scores, the weight of all images and of the
    positives accumulates, and a positive's precision is read at the last image that ties with it.
    """
    order = np.argsort(-scores, kind="stable")
    positives = order[truth[order]]
    descending = -scores[order]
    last = np.searchsorted(descending, -scores[positives], side="right") - 1
    last_positive = np.searchsorted(-scores[positives], -scores[positives], side="right") - 1
    own = weights[:, positives]
    retrieved = np.cumsum(weights[:, order], axis=1, dtype=np.int32)[:, last]
    correct = np.cumsum(own, axis=1, dtype=np.int32)[:, last_positive]
    # Where nothing is retrieved the positive itself counts 0 times, so any divisor will do.
    total = np.einsum("rp,rp->r", own, correct / np.maximum(retrieved, 1))
    return total / np.maximum(own.sum(axis=1), 1)


def resampled_map(
    scores: np.ndarray,
    truth: np.ndarray,
    resamples: Resamples,
    annotated: np.ndarray | None = None,
) -> np.ndarray:
    """mAP in percent of each resample, the mean over its seeds.

    scores: (S, N, C) float. truth: (N, C) bool. annotated: (N, C) bool where only some entries are
    known: only they count, and classes of which a resample has none are left out of its mean.
    Returns (R,) float64.
    """
    seeds, images, classes = scores.shape
    count = len(resamples.weights)
    step = max(1, BLOCK // images)
    result = np.zeros((count, seeds))
    shown = np.full(count, classes)
    for first in range(0, count, step):
        block = slice(first, first + step)
        for column in range(classes):
            rows = slice(None) if annotated is None else np.flatnonzero(annotated[:, column])
            weights = resamples.weights[block, rows]
            if annotated is not None:
                shown[block] -= ~weights.any(axis=1)
            for seed in range(seeds):
                result[block, seed] += weighted_average_precision(
                    scores[seed, rows, column], truth[rows, column], weights
                )
    means = np.take_along_axis(result, resamples.seeds, axis=1).mean(axis=1)
    return 100.0 / np.maximum(shown, 1) * means


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval that holds ``level`` of the resampled ``values``."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(differences: np.ndarray) -> float:
    """How often resampled ``differences`` (R,) fall on the other side of zero than most, doubled.

    Between 2 / (R + 1) and 1, since the observed data count as one more resample (Davison and
    Hinkley, Bootstrap Methods and their Application, 1997, section 4.2).
    """
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    return min(1.0, 2 * (1 + int(min(below, above))) / (len(differences) + 1))


class Resampled(NamedTuple):
    """Test mAP in percent: ``map`` (M,), and ``resampled`` (M, R), the same resamples for all."""

    methods: tuple[str, ...]
    map: np.ndarray
    resampled: np.ndarray

    def difference(self, method: str, other: str) -> tuple[float, float, float]:
        """Test mAP of ``method`` minus that of ``other``, with its 95 % interval."""
        first, second = self.methods.index(method), self.methods.index(other)
        low, high = interval(self.resampled[first] - self.resampled[second])
        return float(self.map[first] - self.map[second]), low, high


def load_resampled(path: str | Path) -> Resampled:
    """Read the ``.npz`` of a comparison."""
    with open_arrays(path) as arrays:
        return Resampled(tuple(arrays["methods"].tolist()), arrays["map"], arrays["resampled"])
