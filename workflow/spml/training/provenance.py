"""Where a run comes from: what two processes must share to make the same run, and its record."""

import platform
import resource
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from spml.plumbing.checksums import file_checksum
from spml.plumbing.sources import charged_files

PACKAGE_ROOT = Path(__file__).parents[2]


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
    }


def code_and_versions(*modules: str) -> dict[str, Any]:
    """Digests of the files that ``modules`` charge for, plumbing left out, and versions."""
    files = charged_files(str(PACKAGE_ROOT), *modules)
    return {
        "code": {
            str(Path(path).relative_to(PACKAGE_ROOT)): file_checksum(Path(path)) for path in files
        },
        "versions": _versions(),
    }


def run_identity(
    settings: Mapping[str, Any], inputs: Mapping[str, Path], device: torch.device
) -> dict[str, Any]:
    """What makes a run the run that it is, as nested maps of plain values.

    Settings but for the name of the device; digests of the inputs and of the files of this package
    that the run imports, its loss among them, plumbing left out; versions; the kind of device, and
    the instructions that a processor computes with.
    A run goes on from a checkpoint only where all of it is the same.
    """
    training = {key: value for key, value in settings["training"].items() if key != "device"}
    return {
        **settings,
        "training": training,
        "device": device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "inputs": {name: file_checksum(Path(path)) for name, path in inputs.items()},
        **code_and_versions("spml.train", f"spml.losses.{settings['loss']}"),
    }


def _git(*arguments: str) -> str:
    """What git says about the checkout; empty where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, versions, device, and the most memory that this process has used, in MB.

    instructions: the widest that torch computes with on a processor, ``AVX2`` where it has these.
    """
    on_gpu = device.type == "cuda"
    return {
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "versions": _versions(),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "peak_host_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_device_memory_mb": torch.cuda.max_memory_allocated(device) >> 20 if on_gpu else 0,
    }
