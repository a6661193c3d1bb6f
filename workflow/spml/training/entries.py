"""What became of each entry of the training labels, epoch by epoch, on disk.

For analyses of what a network memorises, and of what a loss corrects, and when. An epoch's values
are collected on the device and appended to files when it ends, so that neither time nor memory
grows with the number of epochs.
"""

import os
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import softplus

from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path


class GrowingFile:
    """One array an epoch, written one after the other.

    path: where the file grows; it is gone when :meth:`remove` was called. shape, dtype: of an
    epoch. going_on: whether a run goes on that has begun it.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: type[np.generic], *, going_on: bool
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        if going_on and not path.exists():
            raise UserError(
                f"{path} is missing, which the checkpoint beside it belongs to; delete that too, "
                "to start over"
            )
        if not going_on:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

    def write(self, epoch: int, values: np.ndarray) -> None:
        """Write the ``values`` of ``epoch``, counted from 1; a full disk is a UserError."""
        content = values.tobytes()
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
        """Write the first ``epochs`` as ``path`` (.npy), an array (epochs, *shape)."""
        values = np.memmap(self.path, self.dtype, mode="r", shape=(epochs, *self.shape))
        with atomic_path(path) as temporary:
            np.save(temporary, values)

    def remove(self) -> None:
        """Delete the file that grew."""
        self.path.unlink(missing_ok=True)


class EntryRecord:
    """Two files that grow: the cost of each entry, and which entries the loss modified.

    entries.npy: (epochs, N, C) float16, log(1 + exp(z)) of each entry when it was trained on.
    modified.npy: (epochs, N, ceil(C / 8)) uint8, a bit an entry as :func:`numpy.packbits` packs
    them: 1 where the loss rejected or corrected the entry in that epoch.

    beside: path of a file; the two grow beside it, and are gone when :meth:`remove` was called.
    shape: (N, C). going_on: whether a run goes on that has begun them.
    """

    def __init__(
        self, beside: Path, shape: tuple[int, int], device: torch.device, *, going_on: bool
    ) -> None:
        rows, classes = shape
        self.files = {
            "entries": GrowingFile(
                beside.with_suffix(".entries"), shape, np.float16, going_on=going_on
            ),
            "modified": GrowingFile(
                beside.with_suffix(".modified"), (rows, -(-classes // 8)), np.uint8,
                going_on=going_on,
            ),
        }  # fmt: skip
        self.entries = torch.zeros(shape, dtype=torch.float16, device=device)
        self.modified = torch.zeros(shape, dtype=torch.bool, device=device)

    def add(self, index: torch.Tensor, logits: torch.Tensor, modified: torch.Tensor | None) -> None:
        """Note the entries of rows ``index`` (B,), on the device.

        logits: (B, C). modified: (B, C) bool, None of a loss that modifies nothing.
        """
        self.entries[index] = softplus(logits).to(torch.float16)
        if modified is not None:
            self.modified[index] = modified

    def state(self) -> dict[str, torch.Tensor]:
        """What was noted of the epoch that is under way."""
        return {"entries": self.entries, "modified": self.modified}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from what :meth:`state` gave."""
        self.entries.copy_(state["entries"])
        self.modified.copy_(state["modified"])

    def close_epoch(self, epoch: int) -> None:
        """Write the values of ``epoch``, counted from 1."""
        self.files["entries"].write(epoch, self.entries.cpu().numpy())
        self.files["modified"].write(epoch, np.packbits(self.modified.cpu().numpy(), axis=1))

    def finish(self, epochs: int, folder: Path) -> None:
        """Write the values of the first ``epochs`` into ``folder``."""
        for name, file in self.files.items():
            file.finish(epochs, folder / f"{name}.npy")

    def remove(self) -> None:
        """Delete the files that grew."""
        for file in self.files.values():
            file.remove()


def write_no_entries(classes: int, folder: Path) -> None:
    """Write the files of a run that records nothing: those of :class:`EntryRecord`, of no epoch."""
    for name, width, dtype in (
        ("entries", classes, np.float16),
        ("modified", -(-classes // 8), np.uint8),
    ):
        with atomic_path(folder / f"{name}.npy") as temporary:
            np.save(temporary, np.zeros((0, 0, width), dtype))
