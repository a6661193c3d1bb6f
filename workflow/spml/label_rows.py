"""Labels on the training device, a batch of rows at a time, whether they are dense or sparse."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from spml.matrices import Matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class SparseRows:
    """An (N, C) matrix kept compressed on ``device``; indexing gives dense (B, C) rows."""

    def __init__(self, matrix: "csr_array", device: torch.device) -> None:
        self.starts = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self.columns = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self.values = torch.from_numpy(matrix.data).to(device)
        self.width = matrix.shape[1]

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        """Rows ``index`` (B,) as a dense tensor (B, C) of the matrix's type."""
        counts = self.starts[index + 1] - self.starts[index]
        rows = torch.repeat_interleave(torch.arange(len(index), device=index.device), counts)
        # The entries of a row follow one another, so the n-th of the batch is so many after the
        # first one of its row.
        before = torch.cumsum(counts, dim=0) - counts
        entries = torch.arange(len(rows), device=index.device) + (self.starts[index] - before)[rows]
        batch = self.values.new_zeros((len(index), self.width))
        batch[rows, self.columns[entries]] = self.values[entries]
        return batch


def label_rows(matrix: Matrix, rows: np.ndarray, device: torch.device) -> torch.Tensor | SparseRows:
    """``matrix[rows]`` on ``device``, to be indexed with a tensor of positions in ``rows``."""
    if isinstance(matrix, np.ndarray):
        return torch.from_numpy(matrix[rows]).to(device)
    return SparseRows(matrix[rows], device)
