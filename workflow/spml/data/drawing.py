"""The draws of observed labels.

Counts are those of Cole et al. (CVPR 2021), which both papers inherit. One ``RandomState(seed)``
walks over the rows of the official training split in file order and, for each row, shuffles the
indices of its positives and then those of its negatives; the first ones are kept. The second
shuffle consumes the random stream even where no negative is kept, so it cannot be left out.

A share of known labels is the rule of the studies of partial labels (github.com/HCPLab-SYSU/
HCP-MLR-PL, datasets): each entry, positive or negative, is known on its own with that chance.

Biased single positives are those of Arroyo et al. (ICLR 2023 Tiny Papers; github.com/Julio-Arroyo/
single-positive-multi-label, preproc): a positive is the likelier to be observed, the larger its
objects or the nearer they are to the middle of the image.
"""

import random as python_random
from bisect import bisect
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from spml.data.matrices import Matrix, dense

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALL = "all"
BIASES = ("size", "location")
MIDDLE = 0.0005  # pixels: the distance of an object in the very middle


def _check_counts(**counts: int | str) -> None:
    for name, count in counts.items():
        if count != ALL and (not isinstance(count, int) or count < 0):
            raise ValueError(f"{name} must be 'all' or an integer from 0, not {count!r}")


def draw_observed(
    truth: np.ndarray, *, positives: int | str, negatives: int | str, seed: int
) -> np.ndarray:
    """Keep ``positives`` of the positives and ``negatives`` of the negatives of each row.

    truth: (N, C) bool. positives, negatives: a count, or ``"all"``; rows with fewer keep what they
    have. Returns (N, C) int8 in {-1, 0, 1}.
    """
    _check_counts(positives=positives, negatives=negatives)
    observed = np.zeros(truth.shape, dtype=np.int8)
    random = np.random.RandomState(seed)
    for row, present in enumerate(truth):
        for value, count, candidates in (
            (1, positives, np.flatnonzero(present)),
            (-1, negatives, np.flatnonzero(~present)),
        ):
            random.shuffle(candidates)
            observed[row, candidates if count == ALL else candidates[:count]] = value
    return observed


def draw_annotated(
    truth: "csr_array",
    annotated: "csr_array",
    *,
    positives: int | str,
    negatives: int | str,
    seed: int,
) -> "csr_array":
    """:func:`draw_observed` among the annotated entries; sparse (N, C) bool in, sparse int8 out."""
    _check_counts(positives=positives, negatives=negatives)
    # 2 - 1 where the class is present, 0 - 1 where it is known to be absent.
    known = (truth.astype(np.int8) * 2 - annotated.astype(np.int8)).tocsr()
    if positives == ALL and negatives == ALL:
        return known
    random = np.random.RandomState(seed)
    keep = np.zeros(known.nnz, dtype=np.bool_)
    for start, end in zip(known.indptr[:-1], known.indptr[1:], strict=True):
        values = known.data[start:end]
        for value, count in ((1, positives), (-1, negatives)):
            candidates = start + np.flatnonzero(values == value)
            random.shuffle(candidates)
            keep[candidates if count == ALL else candidates[:count]] = True
    known.data *= keep
    known.eliminate_zeros()
    return known


def draw_known(
    truth: Matrix, annotated: "csr_array | None" = None, *, share: float, seed: int
) -> Matrix:
    """Show each entry, positive or negative, with the chance ``share``, on its own.

    truth: (N, C) bool; annotated: likewise, sparse, where only some entries can be shown. One
    uniform number of ``RandomState(seed)`` an entry, row by row, so that a larger share shows what
    a smaller one shows. Returns (N, C) int8 in {-1, 0, 1}, sparse where ``annotated`` is given.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share must be above 0 and at most 1, not {share}")
    random = np.random.RandomState(seed)
    if annotated is None:
        whole = dense(truth)
        known = random.random_sample(whole.shape) < share
        return np.where(known, np.where(whole, 1, -1), 0).astype(np.int8)
    found = (truth.astype(np.int8) * 2 - annotated.astype(np.int8)).tocsr()
    found.sort_indices()
    found.data *= random.random_sample(found.nnz) < share
    found.eliminate_zeros()
    return found


def entry_weights(objects: np.ndarray, shape: tuple[int, int], bias: str) -> np.ndarray:
    """How much a bias prefers each entry: (N, C) float64, 0 where an entry has no object.

    objects: (M, 4), row, class, area, and distance of the box's centre from the image's in pixels.
    ``size`` adds up areas, ``location`` inverse distances, in the order of the objects.
    """
    if bias not in BIASES:
        raise ValueError(f"bias must be {' or '.join(BIASES)}, not {bias!r}")
    distances = np.where(objects[:, 3] == 0, MIDDLE, objects[:, 3])
    values = objects[:, 2] if bias == "size" else 1 / distances
    weights = np.zeros(shape)
    rows, columns = objects[:, :2].astype(np.int64).T
    np.add.at(weights, (rows, columns), values)
    return weights


def draw_biased(truth: np.ndarray, weights: np.ndarray, *, seed: int) -> np.ndarray:
    """Show one positive a row, each with a chance in proportion to its weight.

    truth: (N, C) bool. weights: (N, C) from 0; those of negatives count for nothing, and positives
    that all have none are equally likely. One number of ``random.Random(seed)`` a row, looked up
    among the sums of the chances, as ``random.choices`` does. Returns (N, C) int8 in {0, 1}.
    """
    observed = np.zeros(truth.shape, dtype=np.int8)
    random = python_random.Random(seed)  # noqa: S311, the released stream
    for row, (present, preferred) in enumerate(zip(truth, weights, strict=True)):
        chosen = random.random()
        chances = np.where(present, preferred, 0.0)
        if not chances.any():
            chances = present.astype(np.float64)
        if present.any():
            sums = list(accumulate((chances / chances.sum()).tolist()))
            observed[row, bisect(sums, chosen * sums[-1], 0, len(sums) - 1)] = 1
    return observed
