"""Arithmetic of training: exact float32, TensorFloat-32 or bfloat16, and whether it repeats."""

import contextlib
import os
from typing import Any

import torch

PRECISIONS = ("fp32", "tf32", "bf16")


def configure(precision: str, *, deterministic: bool, device: torch.device) -> None:
    """Set torch's switches for the whole process, before the device is used.

    precision: ``fp32`` is exact: TensorFloat-32, which torch allows convolutions unless told
    otherwise, is off. ``tf32`` turns it on; so does ``bf16`` for what it leaves in float32.
    deterministic: only algorithms that give the same bits each time; an operation without one
    raises RuntimeError. Otherwise the fastest algorithm of each convolution is measured and used.
    """
    reduced = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = reduced
    torch.backends.cudnn.allow_tf32 = reduced
    torch.backends.cudnn.benchmark = device.type == "cuda" and not deterministic
    if deterministic:
        # What cuBLAS asks for; read when it is used for the first time.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # No result depends on memory that nobody has written.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(True)


def autocast(
    precision: str, device: torch.device, *, cache: bool = True
) -> contextlib.AbstractContextManager[Any]:
    """The context of a forward pass: bfloat16 where that is exact enough, for ``bf16``.

    cache: whether a weight that is used twice is converted once.
    """
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=cache)
    return contextlib.nullcontext()
