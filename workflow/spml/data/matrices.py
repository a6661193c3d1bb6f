"""Label matrices in files: dense where every image is annotated, sparse where few entries are.

A dense matrix is a NumPy array, a sparse one a SciPy ``csr_array``. Both have ``shape`` and are
indexed by rows alike; :func:`dense` makes an array of either, of a few rows or columns at a time.
SciPy is loaded where there is a sparse matrix and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# A union with a name that is not loaded; "|" between types cannot hold one.
Matrix: TypeAlias = Union[np.ndarray, "csr_array"]
_PARTS = ("data", "indices", "indptr", "shape")


def dense(matrix: Matrix) -> np.ndarray:
    """``matrix`` as a NumPy array of the same dtype."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def matrix_arrays(name: str, matrix: Matrix) -> dict[str, np.ndarray]:
    """The arrays that store ``matrix`` in an ``.npz`` under ``name``."""
    if isinstance(matrix, np.ndarray):
        return {name: matrix}
    parts = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
    return {f"{name}_{part}": array for part, array in zip(_PARTS, parts, strict=True)}


def read_matrix(arrays: Mapping[str, np.ndarray], name: str) -> Matrix | None:
    """The matrix that :func:`matrix_arrays` stored under ``name``; None where there is none."""
    if name in arrays:
        return arrays[name]
    if f"{name}_data" not in arrays:
        return None
    from scipy.sparse import csr_array

    data, indices, indptr, shape = (arrays[f"{name}_{part}"] for part in _PARTS)
    return csr_array((data, indices, indptr), shape=tuple(shape))
