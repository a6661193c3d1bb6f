"""What seeds and images leave uncertain: intervals of results and of their differences, and tests.

A result is known for each of S seeds, all on the same N images. It would differ with other seeds
and on other images, and the interval of its mean holds both parts:

    mean + scale * T + D      T: Student's t with S - 1 degrees of freedom,
                              scale: sample deviation over seeds / sqrt(S),
                              D: how the mean deviates on other images, the seeds held fixed

The 2.5 % and 97.5 % points of that sum are the 95 % interval (the construction of Behrens and
Fisher, Fisher 1935, for a t and an empirical part); the two-sided p is where it reaches zero. D is
a bootstrap over images with :func:`corrected_deviations` or, where that would cost too much, normal
with the standard error that the influence of each image gives (the infinitesimal jackknife, Efron
1982). Differences of two methods are taken seed by seed and image by image. With one seed there is
no first part: the interval is over images alone.

No interval covers the draw of the observed labels, which all runs share.
``tests/benchmarks/coverage.py`` simulates how often intervals cover what they should: about as
often as they say, and rather more often with two or three seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np

from spml.plumbing.arrays import open_arrays

# Resamples are weighed in blocks of this many weights, which bounds memory on large test sets.
BLOCK = 8_000_000
# Points of the normal distribution that stand for it.
NORMAL_POINTS = 399
BISECTIONS = 25  # of the range that an end of an interval lies in: to less than a millionth


def draw_weights(*, resamples: int, images: int, random_seed: int = 0) -> np.ndarray:
    """How often each of N images is in each of R draws of N with replacement: (N, R) int32.

    Drawn once for what all methods share, so that their differences are paired.
    """
    generator = np.random.default_rng(random_seed)
    shares = np.full(images, 1 / images)
    return generator.multinomial(images, shares, size=resamples).T.astype(np.int32, order="C")


def _accumulate(weights: np.ndarray) -> np.ndarray:
    """Add to each row (N, R) all rows above it, in place.

    First within stretches of about sqrt(N) rows, the same place of all stretches at once, then from
    each stretch to the next. ``np.cumsum`` goes by columns, which takes five times as long.
    """
    step = max(1, isqrt(len(weights)))
    for row in range(1, step):
        same_place = weights[row::step]
        same_place += weights[row - 1 :: step][: len(same_place)]
    for row in range(step, len(weights), step):
        weights[row : row + step] += weights[row - 1]
    return weights


def weighted_average_precision(
    scores: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision of one class, for many weightings of the same images.

    scores: (N,) float. truth: (N,) bool. weights: (N, R) int, how often each image counts.
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
    own = weights[positives]
    retrieved = _accumulate(weights[order])[last]
    correct = _accumulate(own.copy())[last_positive]
    # Where nothing is retrieved the positive itself counts 0 times, so any divisor will do.
    total = np.einsum("pr,pr->r", own, correct / np.maximum(retrieved, 1))
    return total / np.maximum(own.sum(axis=0), 1)


def resampled_map(
    scores: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    annotated: np.ndarray | None = None,
) -> np.ndarray:
    """mAP in percent on each resample of the images, the mean over seeds.

    scores: (S, N, C) float. truth: (N, C) bool. weights: (N, R) int, how often each image counts.
    annotated: (N, C) bool where only some entries are known: only they count, and classes of which
    a resample has none are left out of its mean. Returns (R,) float64.
    """
    seeds, images, classes = scores.shape
    count = weights.shape[1]
    step = max(1, BLOCK // images)
    result = np.zeros(count)
    shown = np.full(count, classes)
    for first in range(0, count, step):
        block = slice(first, first + step)
        for column in range(classes):
            rows = slice(None) if annotated is None else np.flatnonzero(annotated[:, column])
            here = weights[rows, block]
            if annotated is not None:
                shown[block] -= ~here.any(axis=0)
            for seed in range(seeds):
                result[block] += weighted_average_precision(
                    scores[seed, rows, column], truth[rows, column], here
                )
    return 100.0 / np.maximum(shown, 1) * result / seeds


def precision_influence(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The derivative of the average precision of one class by the weight of each image.

    scores: (N,) float. truth: (N,) bool. Returns (N,) float64, which sums to 0; all 0 without a
    positive. The weight of an image counts in the precision of each positive that is scored no
    higher, and that of a positive also in the mean over positives.
    """
    positives = np.sort(scores[truth])
    if not len(positives):
        return np.zeros(len(scores))
    ranked = np.sort(scores)
    retrieved = len(ranked) - np.searchsorted(ranked, positives, side="left")
    correct = len(positives) - np.searchsorted(positives, positives, side="left")
    precision = correct / retrieved
    # Sums over the positives up to each rank, from the lowest score up.
    per_image = np.cumsum([0.0, *(1 / retrieved)])
    lost = np.cumsum([0.0, *(precision / retrieved)])
    place = np.searchsorted(positives, scores, side="right")
    own = precision[np.searchsorted(positives, scores[truth], side="left")]
    influence = -lost[place]
    influence[truth] += per_image[place[truth]] + own - precision.mean()
    return influence / len(positives)


def map_influence(
    scores: np.ndarray, truth: np.ndarray, annotated: np.ndarray | None = None
) -> np.ndarray:
    """The derivative of mAP in percent by the weight of each image: (N,) float64.

    scores: (N, C) float. truth: (N, C) bool. annotated: (N, C) bool where only some entries are
    known; classes without any are left out.
    """
    images, classes = scores.shape
    known = np.ones(classes, dtype=bool) if annotated is None else annotated.any(axis=0)
    result = np.zeros(images)
    for column in np.flatnonzero(known):
        rows = slice(None) if annotated is None else np.flatnonzero(annotated[:, column])
        result[rows] += precision_influence(scores[rows, column], truth[rows, column])
    return 100.0 / max(1, known.sum()) * result


def corrected_deviations(resampled: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """How a result deviates on other images, (R,): resamples, at the variance of other test sets.

    resampled: (R,), the result on each resample of the images. influence: (N,), its derivative by
    the weight of each image.

    mAP is not linear in the weights of images, and a difference of two less so, since most of what
    is linear in both cancels; and a bootstrap overstates what is quadratic. Let V be the variance
    of the linear part over test sets and Q that of the quadratic part, so that V + Q is wanted. The
    linear part at the images at hand has, on average, V + 2 Q, to which the squared influences sum
    (the excess of the jackknife: Efron and Stein, Annals of Statistics 1981). Resamples vary by it
    and by the quadratic part, V + 3 Q. So twice the one less the other is V + Q, which is at least
    half of V + 2 Q.
    """
    centred = resampled - resampled.mean()
    of_resamples, of_influence = centred.var(), (influence**2).sum()
    if of_resamples == 0:
        return centred
    variance = max(2 * of_influence - of_resamples, of_influence / 2)
    return centred * (variance / of_resamples) ** 0.5


def _seed_part(values: np.ndarray) -> tuple[float, int]:
    """The standard error of the mean over seeds, and its degrees of freedom; 0 of one seed."""
    count = len(values)
    return (float(values.std(ddof=1)) / count**0.5 if count > 1 else 0.0), max(1, count - 1)


def confidence_interval(
    values: np.ndarray, deviations: np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """The interval of a mean over seeds that covers its true value with probability ``level``.

    values: (S,), one a seed. deviations: (R,), how the mean deviates on other images; their own
    mean does not matter. Of one seed, the interval is over images alone.
    """
    from scipy.special import stdtr, stdtrit  # tables that need no interval start without it

    scale, freedom = _seed_part(values)
    centred = deviations - deviations.mean()
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        if scale == 0:
            ends.append(float(np.quantile(centred, share, method="hazen")))
            continue
        tail = scale * stdtrit(freedom, share)
        low, high = tail + centred.min(), tail + centred.max()
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = stdtr(freedom, (middle - centred) / scale).mean() < share
            low, high = (middle, high) if below else (low, middle)
        ends.append(float((low + high) / 2))
    mean = float(values.mean())
    return mean + ends[0], mean + ends[1]


def two_sided_p(values: np.ndarray, deviations: np.ndarray) -> float:
    """The two-sided p of a mean over seeds of zero; arguments as of :func:`confidence_interval`.

    Between 2 / (R + 1) and 1, since the observed data count as one more of R deviations (Davison
    and Hinkley, Bootstrap Methods and their Application, 1997, section 4.2).
    """
    from scipy.special import stdtr

    scale, freedom = _seed_part(values)
    possible = values.mean() + deviations - deviations.mean()
    if scale == 0:
        below, above = (possible <= 0).mean(), (possible >= 0).mean()
    else:
        below = stdtr(freedom, -possible / scale).mean()
        above = 1 - below
    count = len(deviations)
    return float(min(1.0, 2 * (1 + count * min(below, above)) / (count + 1)))


def is_at_most(p: float, resamples: int) -> bool:
    """Whether a p of :func:`two_sided_p` is a bound: less than one resample lies beyond zero."""
    return p < 4 / (resamples + 1)


_NORMAL = np.array(
    [NormalDist().inv_cdf((place + 0.5) / NORMAL_POINTS) for place in range(NORMAL_POINTS)]
)


def normal_deviations(standard_error: float) -> np.ndarray:
    """Deviations that are normal with a standard error, as points of equal probability."""
    return standard_error * _NORMAL


@dataclass(frozen=True)
class Estimate:
    """A number that is known for each of S seeds, all on the same N images.

    values: (S,), one a seed. influence: (N,), the derivative of their mean by the weight of each
    image.
    """

    values: np.ndarray
    influence: np.ndarray

    @classmethod
    def of_seeds(cls, values: Sequence[float], influences: Sequence[np.ndarray]) -> Self:
        """From the value and the influences (N,) of each seed."""
        return cls(np.asarray(values, dtype=np.float64), np.mean(influences, axis=0))

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference to another of the same seeds and images."""
        return Estimate(self.values - other.values, self.influence - other.influence)

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval of the mean over seeds and images; of one seed, over images alone."""
        error = float(np.sqrt((self.influence**2).sum()))
        return confidence_interval(self.values, normal_deviations(error), level)


def ratio_influence(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """The derivative of sum(parts) / sum(wholes) by the weight of each image, whose (N,) these are.

    All 0 where the sum of the wholes is 0.
    """
    whole = wholes.sum()
    return (parts - parts.sum() / max(whole, 1) * wholes) / max(whole, 1)


def roc_area(
    positive: np.ndarray,
    negative: np.ndarray,
    positive_images: np.ndarray,
    negative_images: np.ndarray,
    images: int,
) -> tuple[float, np.ndarray]:
    """The area under the ROC curve, and its derivative by the weight of each image.

    positive, negative: (P,) and (Q,) float, scores of entries that should be high and low, neither
    empty. positive_images, negative_images: (P,) and (Q,) int, the image of each, below ``images``.
    The area in [0, 1] is the share of pairs that are in order, half of those that tie. Entries of
    an image belong together (Obuchowski, Biometrics 1997, which extends DeLong et al. 1988).
    """
    placed = []
    for scores, others in ((positive, np.sort(negative)), (negative, np.sort(positive))):
        below = np.searchsorted(others, scores, side="left")
        upto = np.searchsorted(others, scores, side="right")
        placed.append((below + upto) / (2 * len(others)))
    area = float(placed[0].mean())
    first = np.bincount(positive_images, placed[0] - area, minlength=images) / len(positive)
    second = np.bincount(negative_images, 1 - placed[1] - area, minlength=images) / len(negative)
    return area, first + second


def wilson_interval(
    successes: np.ndarray, trials: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each share ``successes / trials``; same shapes, counts, trials above 0.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) * z / (1 + z**2 / trials)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


class Resampled(NamedTuple):
    """Test mAP of M methods in percent, for any two of which there is an interval and a test.

    seed_map: (M, S), one value a seed. resampled: (M, R), the mean over seeds on resampled test
    images, the same for all methods. influence: (M, N), the derivative of the mean over seeds by
    the weight of each test image.
    """

    methods: tuple[str, ...]
    seed_map: np.ndarray
    resampled: np.ndarray
    influence: np.ndarray

    @property
    def map(self) -> np.ndarray:
        """The mean over seeds (M,)."""
        return self.seed_map.mean(axis=1)

    def combined(self, *terms: tuple[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """The sum of the mAP of methods, each times its factor: (S,), and its deviations: (R,).

        terms: methods and their factors; those of one method add up. What is returned is what
        :func:`confidence_interval` takes.
        """
        factors = np.zeros(len(self.methods))
        for method, factor in terms:
            factors[self.methods.index(method)] += factor
        deviations = corrected_deviations(factors @ self.resampled, factors @ self.influence)
        return factors @ self.seed_map, deviations

    def difference(self, method: str, other: str) -> tuple[float, float, float]:
        """Test mAP of ``method`` minus that of ``other``, with its 95 % interval."""
        values, deviations = self.combined((method, 1), (other, -1))
        return float(values.mean()), *confidence_interval(values, deviations)

    def p(self, method: str, other: str) -> float:
        """The two-sided p of no difference."""
        return two_sided_p(*self.combined((method, 1), (other, -1)))


def load_resampled(path: str | Path) -> Resampled:
    """Read the ``.npz`` of a comparison."""
    with open_arrays(path) as arrays:
        methods = tuple(arrays["methods"].tolist())
        return Resampled(methods, arrays["seed_map"], arrays["resampled"], arrays["influence"])
