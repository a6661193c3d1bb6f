"""What each entry of the training labels would cost as a negative, epoch by epoch, on disk.

For analyses of what a network memorises and when. An epoch's values are collected on the device and
appended to a file when it ends, so that neither time nor memory grows with the number of epochs.
"""

import os
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import softplus

from spml.errors import UserError
from spml.files import atomic_path


class EntryRecord:
    """A file of (epochs, N, C) float16: log(1 + exp(z)) of each entry when it was trained on.

    path: where the file grows; it is gone when :meth:`finish` has written the final one.
    going_on: whether a run goes on that has begun it.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], device: torch.device, *, going_on: bool
    ) -> None:
        self.path = path
        self.shape = shape
        self.block = torch.zeros(shape[1:], dtype=torch.float16, device=device)
        if going_on and not path.exists():
            raise UserError(
                f"{path} is missing, which the checkpoint beside it belongs to; delete that too, "
                "to start over"
            )
        if not going_on:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

    def add(self, index: torch.Tensor, logits: torch.Tensor) -> None:
        """Note the entries of rows ``index`` (B,) by their ``logits`` (B, C), on the device."""
        self.block[index] = softplus(logits).to(torch.float16)

    def close_epoch(self, epoch: int) -> None:
        """Write the values of ``epoch``, counted from 1; a full disk is a :class:`UserError`."""
        content = self.block.cpu().numpy().tobytes()
        try:
            with self.path.open("r+b") as file:
                file.seek((epoch - 1) * len(content))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(
                f"{self.path} could not be written: {error.strerror}; free some space and start "
                "again: the run goes on from its checkpoint"
            ) from error

    def finish(self, epochs: int, path: Path) -> None:
        """Write the values of the first ``epochs`` as ``path`` (.npy)."""
        shape = (epochs, *self.shape[1:])
        values = np.memmap(self.path, dtype=np.float16, mode="r", shape=shape)
        with atomic_path(path) as temporary:
            np.save(temporary, values)

    def remove(self) -> None:
        """Delete the file that grew."""
        self.path.unlink(missing_ok=True)
