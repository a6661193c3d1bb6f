"""Label matrices in files: dense where every image is annotated, sparse where few entries are.

A dense matrix is a NumPy array, a sparse one a SciPy ``csr_array``. Both have ``shape`` and are
indexed by rows alike; :func:`dense` makes an array of either, of a few rows or columns at a time.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array

Matrix: TypeAlias = np.ndarray | csr_array
_PARTS = ("data", "indices", "indptr", "shape")


def dense(matrix: Matrix) -> np.ndarray:
    """``matrix`` as a NumPy array of the same dtype."""
    return matrix.toarray() if isinstance(matrix, csr_array) else matrix


def matrix_arrays(name: str, matrix: Matrix) -> dict[str, np.ndarray]:
    """The arrays that store ``matrix`` in an ``.npz`` under ``name``."""
    if not isinstance(matrix, csr_array):
        return {name: matrix}
    parts = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
    return {f"{name}_{part}": array for part, array in zip(_PARTS, parts, strict=True)}


def read_matrix(arrays: Mapping[str, np.ndarray], name: str) -> Matrix | None:
    """The matrix that :func:`matrix_arrays` stored under ``name``; None where there is none."""
    if name in arrays:
        return arrays[name]
    if f"{name}_data" not in arrays:
        return None
    data, indices, indptr, shape = (arrays[f"{name}_{part}"] for part in _PARTS)
    return csr_array((data, indices, indptr), shape=tuple(shape))
