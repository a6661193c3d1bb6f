"""Stage *observe*: which rows train, which validate, and which labels training may see.

The draw is that of Cole et al. (CVPR 2021), which both papers inherit: one ``RandomState(seed)``
walks over the rows of the official training split in file order and, for each row, shuffles the
indices of its positives and then those of its negatives; the first ones are kept. The second
shuffle consumes the random stream even where no negative is kept, so it cannot be left out.

A dataset of which only some entries are annotated is drawn from those alone.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spml.arrays import open_arrays
from spml.errors import UserError, run_command
from spml.files import atomic_path
from spml.labels import Labels, load_labels
from spml.matrices import Matrix, matrix_arrays, read_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ALL = "all"
# The released code thins the training rows out with a seed of its own.
FRACTION_SEED = 999


@dataclass(frozen=True)
class Observation:
    """Indices into the official training split and the labels that may be seen.

    train, val: sorted int64 row indices. observed: (N, C) int8 over the whole official training
    split: 1 observed positive, -1 observed negative, 0 unobserved; sparse where the truth is.
    """

    train: np.ndarray
    val: np.ndarray
    observed: Matrix


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


def observe(
    truth: Matrix,
    *,
    positives: int | str,
    negatives: int | str,
    seed: int,
    validation_fraction: float,
    split_seed: int,
    fraction: float = 1.0,
    annotated: "csr_array | None" = None,
    validation: int = 0,
) -> Observation:
    """Draw the observed labels of the official training split, then divide it.

    truth, annotated: (N, C) bool as in :class:`spml.labels.Split`. The draw covers all rows before
    the division, as in the released code. The last ``validation`` rows, where there are some, are
    the dataset's own validation split, and there is nothing to divide. ``fraction`` of the training
    rows are kept.
    """
    draw = {"positives": positives, "negatives": negatives, "seed": seed}
    observed: Matrix
    if annotated is None:
        observed = draw_observed(truth, **draw)  # type: ignore[arg-type]
    else:
        observed = draw_annotated(truth, annotated, **draw)  # type: ignore[arg-type]
    count = truth.shape[0]
    if validation:
        train, val = np.split(np.arange(count), [count - validation])
    else:
        train, val = split_rows(count, validation_fraction=validation_fraction, seed=split_seed)
    return Observation(train=thin_out(train, fraction=fraction), val=val, observed=observed)


def save_observation(path: str | Path, observation: Observation) -> None:
    """Write ``observation`` as one ``.npz``."""
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            train=observation.train,
            val=observation.val,
            **matrix_arrays("observed", observation.observed),  # type: ignore[arg-type]
        )


def load_observation(path: str | Path) -> Observation:
    """Read what :func:`save_observation` wrote."""
    with open_arrays(path) as arrays:
        return Observation(
            train=arrays["train"],
            val=arrays["val"],
            observed=read_matrix(arrays, "observed"),
        )


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
