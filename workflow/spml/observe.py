"""Stage *observe*: which rows train, which validate, and which labels training may see.

The draw is that of Cole et al. (CVPR 2021), which both papers inherit: one ``RandomState(seed)``
walks over the rows of the official training split in file order and, for each row, shuffles the
indices of its positives and then those of its negatives; the first ones are kept. The second
shuffle consumes the random stream even where no negative is kept, so it cannot be left out.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spml.errors import run_command
from spml.files import atomic_path
from spml.labels import load_labels

ALL = "all"


@dataclass(frozen=True)
class Observation:
    """Indices into the official training split and the labels that may be seen.

    train, val: sorted int64 row indices. observed: (N, C) int8 over the whole official training
    split: 1 observed positive, -1 observed negative, 0 unobserved.
    """

    train: np.ndarray
    val: np.ndarray
    observed: np.ndarray


def split_rows(count: int, *, validation_fraction: float, seed: int) -> tuple[np.ndarray, ...]:
    """Divide ``count`` rows at random into training and validation rows, each sorted."""
    if not 0.0 < validation_fraction < 1.0:
        raise ValueError(f"validation_fraction must be between 0 and 1, not {validation_fraction}")
    order = np.random.RandomState(seed).permutation(count)
    training = count - int(np.round(validation_fraction * count))
    return np.sort(order[:training]), np.sort(order[training:])


def draw_observed(
    truth: np.ndarray, *, positives: int | str, negatives: int | str, seed: int
) -> np.ndarray:
    """Keep ``positives`` of the positives and ``negatives`` of the negatives of each row.

    truth: (N, C) bool. positives, negatives: a count, or ``"all"``; rows with fewer keep what they
    have. Returns (N, C) int8 in {-1, 0, 1}.
    """
    for name, count in (("positives", positives), ("negatives", negatives)):
        if count != ALL and (not isinstance(count, int) or count < 0):
            raise ValueError(f"{name} must be 'all' or an integer from 0, not {count!r}")
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


def observe(
    truth: np.ndarray,
    *,
    positives: int | str,
    negatives: int | str,
    seed: int,
    validation_fraction: float,
    split_seed: int,
) -> Observation:
    """Draw the observed labels of the official training split, then divide it.

    truth: (N, C) bool. The draw covers all rows before the division, as in the released code.
    """
    observed = draw_observed(truth, positives=positives, negatives=negatives, seed=seed)
    train, val = split_rows(len(truth), validation_fraction=validation_fraction, seed=split_seed)
    return Observation(train=train, val=val, observed=observed)


def save_observation(path: str | Path, observation: Observation) -> None:
    """Write ``observation`` as one ``.npz``."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **vars(observation))


def load_observation(path: str | Path) -> Observation:
    """Read what :func:`save_observation` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Observation(**{name: arrays[name] for name in ("train", "val", "observed")})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.observe", description=__doc__)
    parser.add_argument("--labels", required=True, help="labels.npz of the dataset")
    parser.add_argument("--settings", required=True, type=json.loads, help="observe's arguments")
    parser.add_argument("--output", required=True, help="the .npz to write")
    arguments = parser.parse_args()
    truth = load_labels(arguments.labels).train.truth
    observation = observe(truth, **arguments.settings)
    save_observation(arguments.output, observation)
    seen = observation.observed[observation.train]
    print(
        f"{len(observation.train)} training and {len(observation.val)} validation rows; "
        f"{(seen == 1).sum()} positives and {(seen == -1).sum()} negatives observed in training"
    )


if __name__ == "__main__":
    run_command(main)
