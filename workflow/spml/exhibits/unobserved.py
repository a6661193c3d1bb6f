"""Predictions on the unobserved entries of the validation images: false against true negatives.

Training takes unobserved entries for negatives; the truth tells which of them are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from spml.data.observation import load_observation
from spml.exhibits.records import read_array, whole_truth
from spml.exhibits.settings import Block
from spml.measures.statistics import Estimate, roc_area
from spml.plumbing.addresses import observed_path
from spml.plumbing.errors import UserError


class Unobserved(NamedTuple):
    """Scores in [0, 1] of one run on its unobserved validation entries, (F,) and (T,) float.

    false_negative_images, true_negative_images: of which of the ``images`` validation images each
    entry is, (F,) and (T,) int.
    """

    method: str
    seed: int
    false_negatives: np.ndarray
    true_negatives: np.ndarray
    false_negative_images: np.ndarray
    true_negative_images: np.ndarray
    images: int

    def all_observed(self) -> str:
        """What is observed so completely that there is nothing to compare; empty otherwise."""
        if len(self.false_negatives) and len(self.true_negatives):
            return ""
        if len(self.false_negatives) == len(self.true_negatives):
            return "every entry"
        return "every negative" if len(self.false_negatives) else "every positive"


def _masks(block: Block, observations: Iterable[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """False and true negatives (N, C) bool among the validation rows, by observation."""
    truth = whole_truth(block)
    masks = {}
    for name in dict.fromkeys(observations):
        observation = load_observation(observed_path(block.dataset, block.protocol, name))
        unobserved = observation.observed[observation.val] == 0
        positive = truth[observation.val]
        masks[name] = unobserved & positive, unobserved & ~positive
    return masks


def unobserved_scores(
    block: Block, methods: Iterable[str], seeds: Iterable[int], *, moments: Iterable[str] = ("val",)
) -> Iterator[tuple[str, Unobserved]]:
    """The scores of each run of ``block``, one run and moment at a time.

    moments: arrays of ``predictions.npz``: ``val``, ``val_first`` or ``val_last``. Yields the
    moment with the scores.
    """
    methods, seeds, moments = list(methods), list(seeds), list(moments)
    masks = _masks(block, map(block.observation_of, methods))
    for method in methods:
        missed, negative = masks[block.observation_of(method)]
        for moment in moments:
            for seed in seeds:
                scores = read_array(block, method, seed, "predictions.npz", moment)
                yield (
                    moment,
                    Unobserved(
                        method,
                        seed,
                        scores[missed],
                        scores[negative],
                        np.nonzero(missed)[0],
                        np.nonzero(negative)[0],
                        len(scores),
                    ),
                )


def refuse_observed(run: Unobserved) -> None:
    """An error in a sentence where a run has nothing to compare."""
    if observed := run.all_observed():
        raise UserError(f"method {run.method} observes {observed}: there is nothing to compare")


def separation_estimate(runs: Sequence[Unobserved]) -> Estimate:
    """The area under the ROC curve of false against true negatives, of the runs of one method.

    The probability that a false negative is scored higher than a true negative: 0.5 where scores
    tell nothing, 1 where they separate all. Unlike a distance of probabilities, it does not depend
    on their scale.
    """
    found = [
        roc_area(
            run.false_negatives,
            run.true_negatives,
            run.false_negative_images,
            run.true_negative_images,
            run.images,
        )
        for run in runs
    ]
    return Estimate.of_seeds([area for area, _ in found], [influence for _, influence in found])


def wasserstein_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Wasserstein distance of order 1 between two samples (N,) and (M,), in their own unit.

    The area between their cumulative distributions, which are steps from one value to the next.
    """
    values = np.sort(np.concatenate([first, second]))
    first_share, second_share = (
        np.searchsorted(np.sort(sample), values[:-1], side="right") / len(sample)
        for sample in (first, second)
    )
    widths = np.diff(values.astype(np.float64))
    return float(np.abs(first_share - second_share) @ widths)
