"""The draw of observed labels of Cole et al. (CVPR 2021), which both papers inherit.

One ``RandomState(seed)`` walks over the rows of the official training split in file order and, for
each row, shuffles the indices of its positives and then those of its negatives; the first ones are
kept. The second shuffle consumes the random stream even where no negative is kept, so it cannot be
left out.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALL = "all"


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
