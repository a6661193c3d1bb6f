"""Batches of images on the device, in a given order, whoever reads them.

A small split is kept on the device. A large one is read batch by batch, by threads that work ahead
of the loop, so that reading, copying and computing overlap; memory then does not grow with it.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import Protocol

import numpy as np
import torch

from spml.data.packed import Images
from spml.plumbing.errors import UserError


class Batches(Protocol):
    """Images of a split, to be had in batches."""

    def batches(self, rows: np.ndarray, sizes: Sequence[int]) -> Iterator[torch.Tensor]:
        """The images ``rows`` (N,) of the split in batches of ``sizes``, which add up to N.

        Each is (B, H, W, channels) uint8 on the device.
        """


class ResidentImages:
    """A whole split on the device."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images = torch.from_numpy(np.array(images[:])).to(device)

    def batches(self, rows: np.ndarray, sizes: Sequence[int]) -> Iterator[torch.Tensor]:
        on_device = torch.from_numpy(rows).to(self.images.device)
        for index in on_device.split(list(sizes)):
            yield self.images.index_select(0, index)


class _RowFile:
    """Rows of a memory-mapped array, read by system calls.

    Pages of a map count as memory of the process once it has touched them; these do not.
    """

    def __init__(self, array: np.memmap) -> None:
        self.file = open(str(array.filename), "rb", buffering=0)  # noqa: SIM115 - open as long as it is
        self.offset = array.offset
        self.stride = prod(array.shape[1:]) * array.itemsize

    def holds(self, array: np.memmap) -> bool:
        """Whether ``array`` is the whole file, row after row, not a part of it."""
        size = os.fstat(self.file.fileno()).st_size
        return bool(array.flags.c_contiguous) and size == self.offset + array.nbytes

    def read(self, rows: np.ndarray, into: np.ndarray) -> None:
        for row, place in zip(rows.tolist(), into, strict=True):
            count = os.preadv(self.file.fileno(), [place], self.offset + row * self.stride)
            if count != self.stride:
                raise UserError(f"{self.file.name} became shorter while it was read; pack it again")


class _Courier:
    """Takes batches to a GPU on a stream of its own, so that copying does not hold up computing.

    Any thread may send; the one that computes receives.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def send(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event]:
        """The copy of a pinned ``batch``, and the event of its arrival."""
        with torch.cuda.stream(self.stream):
            return batch.to(self.device, non_blocking=True), self.stream.record_event()

    def receive(self, batch: torch.Tensor, arrival: torch.cuda.Event) -> None:
        """Let what is launched from here on wait for the copy; the host does not."""
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(arrival)
        # Its memory is not given to the next batch before what computes with it has ended.
        batch.record_stream(computing)


_Fetched = tuple[torch.Tensor, torch.cuda.Event | None]


class StreamedImages:
    """A split that is read while it is trained on.

    workers: threads that read ahead, one batch each; 0 reads in the loop.
    """

    def __init__(self, images: Images, device: torch.device, workers: int) -> None:
        self.images = images
        self.device = device
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._courier = _Courier(device) if device.type == "cuda" else None
        self._file: _RowFile | None = None
        if isinstance(images, np.memmap):
            file = _RowFile(images)
            self._file = file if file.holds(images) else None

    def batches(self, rows: np.ndarray, sizes: Sequence[int]) -> Iterator[torch.Tensor]:
        parts = np.split(rows, np.cumsum(sizes)[:-1])
        for batch, arrival in self._read_ahead(parts):
            if self._courier is not None and arrival is not None:
                self._courier.receive(batch, arrival)
            yield batch

    def _fetch(self, rows: np.ndarray) -> _Fetched:
        batch = self._read(rows)
        return (batch, None) if self._courier is None else self._courier.send(batch)

    def _read(self, rows: np.ndarray) -> torch.Tensor:
        # Copies from pinned memory do not hold up the loop. torch takes pinned memory back for a
        # later batch only when the copy from it has ended.
        shape = (len(rows), *self.images.shape[1:])
        batch = torch.empty(shape, dtype=torch.uint8, pin_memory=self._courier is not None)
        if self._file is not None:
            self._file.read(rows, batch.numpy())
        else:
            batch.numpy()[:] = self.images[rows]
        return batch

    def _read_ahead(self, parts: list[np.ndarray]) -> Iterator[_Fetched]:
        if self._pool is None:
            yield from map(self._fetch, parts)
            return
        waiting: deque[Future[_Fetched]] = deque()
        try:
            for part in parts:
                waiting.append(self._pool.submit(self._fetch, part))
                if len(waiting) > self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def load_images(
    images: Images, device: torch.device, *, resident_megabytes: float, workers: int | None
) -> Batches:
    """``images`` (N, H, W, channels) uint8 on ``device`` if they are small, else read as needed.

    workers: None reads ahead with two threads for a GPU, and in the loop where the processor that
    would read is the one that computes.
    """
    if prod(images.shape) <= resident_megabytes * 2**20:
        return ResidentImages(images, device)
    if workers is None:
        workers = 2 if device.type == "cuda" else 0
    return StreamedImages(images, device, workers)
