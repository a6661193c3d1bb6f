"""The device of a run, claimed so that several runs on one machine spread over its GPUs.

Snakemake counts GPUs but does not say which one a job has. So a run takes a lock on one of those
that it can see; the lock goes with the process, however that ends.
"""

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from spml.plumbing.errors import UserError


@dataclass
class Claim:
    """A device, and the locked file that says so as long as it is open (None without a lock)."""

    device: torch.device
    lock: IO[str] | None = None


def lock_folder() -> Path:
    """Where this user's runs on this machine meet."""
    return Path(tempfile.gettempdir()) / f"spml-gpus-{os.getuid()}"


def _try_lock(path: Path) -> IO[str] | None:
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def claim_gpu(
    gpus: Sequence[str],
    folder: Path,
    runs_per_gpu: int = 1,
    wait: Callable[[], None] = lambda: time.sleep(1),
) -> tuple[int, IO[str]]:
    """Lock a place on one of ``gpus``; return its position and the lock.

    gpus: names that mean the same GPU to every process, such as UUIDs. Each has ``runs_per_gpu``
    places, and an empty GPU comes before a shared one. Where every place is taken, calls ``wait``
    until one is free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    announced = False
    while True:
        for place in range(runs_per_gpu):
            for position, name in enumerate(gpus):
                lock = _try_lock(folder / f"{name}.{place}.lock")
                if lock is not None:
                    return position, lock
        if not announced:
            print(f"waiting: {len(gpus)} GPUs, all of them taken", file=sys.stderr, flush=True)
            announced = True
        wait()


def _visible_gpus() -> list[str]:
    """UUIDs of the GPUs that CUDA_VISIBLE_DEVICES leaves to this process, in torch's order."""
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]


def claim_device(
    name: str,
    runs_per_gpu: int = 1,
    *,
    gpus: Callable[[], Sequence[str]] = _visible_gpus,
    folder: Path | None = None,
    use: Callable[[torch.device], None] = torch.cuda.set_device,
) -> Claim:
    """The device called ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``, claimed.

    A single GPU that SLURM has assigned is taken as it is. ``cuda`` where torch sees no GPU is a
    :class:`UserError`. A GPU becomes the current one: streams, events and graphs that name none are
    of that, and would be of the first GPU otherwise.
    """
    visible = [] if name == "cpu" else list(gpus())
    if not visible:
        if name == "cuda":
            raise UserError("device is 'cuda' but torch sees no GPU; use 'auto' or 'cpu'")
        return Claim(torch.device("cpu"))
    if len(visible) == 1 and "SLURM_JOB_ID" in os.environ:
        claim = Claim(torch.device("cuda", 0))
    else:
        position, lock = claim_gpu(visible, folder or lock_folder(), runs_per_gpu)
        claim = Claim(torch.device("cuda", position), lock)
    use(claim.device)
    return claim


def device_memory(device: torch.device) -> int:
    """Bytes of memory that the device has; the processor's is that of the computer."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# As torch, the driver, cuDNN (ALLOC_FAILED, ..._ALLOCATION_FAILED) and cuBLAS say it.
_ALLOCATION_FAILURES = ("out of memory", "DefaultCPUAllocator", "_ALLOC")


@contextlib.contextmanager
def memory_advice(name: str, batch_size: int, precision: str) -> Iterator[None]:
    """Turn running out of memory into a :class:`UserError` that names what can be lowered."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        exhausted = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not exhausted and not any(text in str(error) for text in _ALLOCATION_FAILURES):
            raise
        lower = [f"training.batch_size (now {batch_size})"]
        if precision != "bf16":
            lower.append(f"training.precision (now {precision}) to bf16")
        raise UserError(
            f"{name}: the device ran out of memory; lower {' or '.join(lower)}, or let no other "
            "run share the device"
        ) from error
