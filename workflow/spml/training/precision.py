"""Arithmetic of training: exact float32, TensorFloat-32 or bfloat16, and whether it repeats."""

import contextlib
import os
from typing import Any

import torch

PRECISIONS = ("fp32", "tf32", "bf16")

# What ATen, oneDNN and MKL are told, of which each takes the widest instructions that it finds, and
# these add up in an order of their own. Processors with wider ones have AVX2 too.
_COMMON_INSTRUCTIONS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
}


def use_common_instructions() -> None:
    """Let torch compute with AVX2 on any x86-64 processor that has it, before it computes anything.

    So that a processor with AVX-512 ends with the numbers of one without. What the environment says
    already stays.
    """
    if torch.cpu._is_avx2_supported():
        for name, value in _COMMON_INSTRUCTIONS.items():
            os.environ.setdefault(name, value)


def configure(precision: str, *, deterministic: bool, device: torch.device) -> None:
    """Set torch's switches for the whole process, before it computes anything.

    precision: ``fp32`` is exact: TensorFloat-32, which torch allows convolutions unless told
    otherwise, is off. ``tf32`` turns it on; so does ``bf16`` for what it leaves in float32.
    deterministic: only algorithms that give the same bits each time; an operation without one
    raises RuntimeError. Otherwise the fastest algorithm of each convolution is measured and used.
    """
    use_common_instructions()
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
