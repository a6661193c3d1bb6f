"""Stage *observe*: which rows train, which validate, and which labels training may see.

The labels are drawn as :mod:`spml.data.drawing` says: so many positives and negatives an image
(``positives``, ``negatives``), a share of all entries (``known``), or one positive an image that is
the likelier, the larger or the nearer to the middle its objects are (``bias``). Or nothing is
drawn, and they are those that the dataset came with (``given``). A dataset of which only some
entries are annotated is drawn from those alone.
"""

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from spml.data.drawing import (
    draw_annotated,
    draw_biased,
    draw_known,
    draw_observed,
    entry_weights,
)
from spml.data.labels import Labels, load_labels
from spml.data.matrices import Matrix, dense
from spml.data.observation import Observation, save_observation
from spml.plumbing.errors import UserError, run_command

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# The released code thins the training rows out with a seed of its own.
FRACTION_SEED = 999


def split_rows(count: int, *, validation_fraction: float, seed: int) -> tuple[np.ndarray, ...]:
    """Divide ``count`` rows at random into training and validation rows, each sorted."""
    if not 0.0 < validation_fraction < 1.0:
        raise ValueError(f"validation_fraction must be between 0 and 1, not {validation_fraction}")
    order = np.random.RandomState(seed).permutation(count)
    training = count - int(np.round(validation_fraction * count))
    if training in (0, count):
        raise UserError(
            f"{count} images are too few to divide: {training} would train and "
            f"{count - training} validate"
        )
    return np.sort(order[:training]), np.sort(order[training:])


def thin_out(rows: np.ndarray, *, fraction: float, seed: int = FRACTION_SEED) -> np.ndarray:
    """A random ``fraction`` of ``rows``, in their order."""
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction must be above 0 and at most 1, not {fraction}")
    order = np.random.RandomState(seed).permutation(len(rows))
    return rows[np.sort(order[: int(np.round(fraction * len(rows)))])]


def observe(
    truth: Matrix,
    *,
    validation_fraction: float,
    split_seed: int,
    seed: int = 0,
    positives: int | str = 0,
    negatives: int | str = 0,
    known: float | None = None,
    bias: str | None = None,
    given: bool = False,
    fraction: float = 1.0,
    annotated: "csr_array | None" = None,
    validation: int = 0,
    objects: np.ndarray | None = None,
    own: Matrix | None = None,
) -> Observation:
    """Draw the observed labels of the official training split, then divide it.

    truth, annotated, objects, own (its ``observed``): as in :class:`spml.data.labels.Split`.
    ``positives`` and ``negatives`` an image, or a share ``known`` of the entries, or one positive
    by ``bias``, for which a dataset without objects is a :class:`UserError`; or those that are
    ``given``, without which it is one too. The draw covers all rows
    before the division, as in the released code. The last ``validation`` rows, where there are
    some, are the dataset's own validation split, and there is nothing to divide. ``fraction`` of
    the training rows are kept.
    """
    counts = {"positives": positives, "negatives": negatives}
    observed: Matrix
    if given:
        if own is None:
            raise UserError(
                "an observation with given: true needs observed labels of the dataset's own, and "
                "there are none; put observed.csv beside train.csv, or choose another observation"
            )
        observed = own
    elif bias is not None:
        if objects is None or not isinstance(truth, np.ndarray):
            raise UserError(
                f"an observation with bias: {bias} needs boxes of the objects, and this dataset "
                "has none for all its labels; choose an observation without bias"
            )
        weights = entry_weights(objects, truth.shape, bias)
        observed = draw_biased(truth, weights, seed=seed)
    elif known is not None:
        observed = draw_known(truth, annotated, share=known, seed=seed)
    elif annotated is None:
        observed = draw_observed(dense(truth), **counts, seed=seed)
    else:
        observed = draw_annotated(truth, annotated, **counts, seed=seed)
    count = truth.shape[0]
    if validation:
        train, val = np.split(np.arange(count), [count - validation])
    else:
        train, val = split_rows(count, validation_fraction=validation_fraction, seed=split_seed)
    return Observation(train=thin_out(train, fraction=fraction), val=val, observed=observed)


def _refuse_unannotated(path: str, labels: Labels, val: np.ndarray) -> None:
    """An error in a sentence where rows have no mAP, before a training finds it out at its end."""
    for name, split, rows in (
        ("validation", labels.train, val),
        ("test", labels.test, np.arange(len(labels.test.images))),
    ):
        if split.annotated is not None and not split.annotated[rows].nnz:
            raise UserError(
                f"none of the {len(rows)} {name} images in {path} has an annotated entry, so that "
                "they have no mAP; annotate some of them in the dataset"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.observe", description=__doc__)
    parser.add_argument("--labels", required=True, help="labels.npz of the dataset")
    parser.add_argument("--settings", required=True, type=json.loads, help="observe's arguments")
    parser.add_argument("--output", required=True, help="the .npz to write")
    arguments = parser.parse_args()
    labels = load_labels(arguments.labels)
    split = labels.train
    observation = observe(
        split.truth,
        annotated=split.annotated,
        validation=split.validation,
        objects=split.objects,
        own=split.observed,
        **arguments.settings,
    )
    _refuse_unannotated(arguments.labels, labels, observation.val)
    save_observation(arguments.output, observation)
    seen = observation.observed[observation.train]
    print(
        f"{len(observation.train)} training and {len(observation.val)} validation rows; "
        f"{(seen == 1).sum()} positives and {(seen == -1).sum()} negatives observed in training"
    )


if __name__ == "__main__":
    run_command(main)
