"""What training may see: the division of the official training split, and its observed labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spml.data.matrices import Matrix, matrix_arrays, read_matrix
from spml.plumbing.arrays import open_arrays
from spml.plumbing.files import atomic_path


@dataclass(frozen=True)
class Observation:
    """Indices into the official training split and the labels that may be seen.

    train, val: sorted int64 row indices. observed: (N, C) int8 over the whole official training
    split: 1 observed positive, -1 observed negative, 0 unobserved; sparse where the truth is.
    """

    train: np.ndarray
    val: np.ndarray
    observed: Matrix


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
