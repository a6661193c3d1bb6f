"""Average precision as the papers compute it."""

import numpy as np


def average_precision(
    scores: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None
) -> np.ndarray:
    """Average precision of each class, not interpolated.

    scores: (N, C) float, any monotone score, finite.
    truth: (N, C) bool or 0/1.
    ignore: (N, C) bool, entries that do not take part (unannotated ones under the OpenImages rule).

    Returns (C,) float64 in [0, 1]: the mean, over the positives of a class, of the precision among
    all images scored at least as high, which is scikit-learn's ``average_precision_score``, ties
    included. A class without positives counts 0, as in the code of Cole et al. (CVPR 2021); a class
    of which every entry is ignored is NaN.

    Raises ValueError for shapes that differ and for scores that are not finite.
    """
    scores, truth = np.asarray(scores), np.asarray(truth).astype(bool)
    if scores.ndim != 2 or scores.shape != truth.shape:
        raise ValueError(f"scores {scores.shape} and truth {truth.shape} must be equal (N, C)")
    if ignore is not None and ignore.shape != truth.shape:
        raise ValueError(f"ignore {ignore.shape} must have the shape of truth {truth.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    result = np.zeros(scores.shape[1])
    for column in range(scores.shape[1]):
        class_scores, class_truth = scores[:, column], truth[:, column]
        if ignore is not None:
            kept = ~ignore[:, column].astype(bool)
            class_scores, class_truth = class_scores[kept], class_truth[kept]
            if not kept.any():
                result[column] = np.nan
                continue
        positives = np.sort(class_scores[class_truth])
        if len(positives):
            ranked = np.sort(class_scores)
            # Counting "scored at least as high" from sorted arrays treats ties as one threshold.
            retrieved = len(ranked) - np.searchsorted(ranked, positives, side="left")
            correct = len(positives) - np.searchsorted(positives, positives, side="left")
            result[column] = np.mean(correct / retrieved)
    return result


def mean_average_precision(
    scores: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None
) -> float:
    """100 x the mean of :func:`average_precision` over the classes that are not NaN."""
    return 100.0 * float(np.nanmean(average_precision(scores, truth, ignore)))
