"""Labels on the training device, a batch of rows at a time, whether they are dense or sparse."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from spml.data.matrices import Matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Rows(Protocol):
    """An (N, C) matrix of which rows are asked for.

    values: of all entries, or of those that are not 0.
    """

    values: torch.Tensor

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """Rows ``index`` (B,) int64 as a dense tensor (B, C) of the matrix's type."""


class DenseRows:
    """An (N, C) matrix kept as it is on ``device``."""

    def __init__(self, matrix: np.ndarray, device: torch.device) -> None:
        self.values = torch.from_numpy(matrix).to(device)

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """See :class:`Rows`."""
        return self.values.index_select(0, index)


class SparseRows:
    """An (N, C) matrix kept compressed on ``device``."""

    def __init__(self, matrix: "csr_array", device: torch.device) -> None:
        self.starts = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self.columns = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self.values = torch.from_numpy(matrix.data).to(device)
        self.width = matrix.shape[1]
        self.longest = int(np.diff(matrix.indptr).max(initial=0))

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """See :class:`Rows`."""
        batch = self.values.new_zeros((len(index), self.width + 1))
        if self.longest:
            # Each row is given as many places as the longest one needs: to ask how many entries
            # there are would make the host wait. Places behind a row's end go to a column that is
            # cut off.
            places = torch.arange(self.longest, device=index.device)
            entries = self.starts[index].unsqueeze(1) + places
            present = entries < self.starts[index + 1].unsqueeze(1)
            entries = entries.clamp(max=len(self.values) - 1)
            columns = torch.where(present, self.columns[entries], self.width)
            batch.scatter_(1, columns, self.values[entries])
        return batch[:, :-1]


def label_rows(matrix: Matrix, rows: np.ndarray, device: torch.device) -> Rows:
    """``matrix[rows]`` on ``device``, to be asked for rows by their positions in ``rows``."""
    of_rows = matrix[rows]
    if isinstance(of_rows, np.ndarray):
        return DenseRows(of_rows, device)
    return SparseRows(of_rows, device)
