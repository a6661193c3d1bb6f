"""Whether the packages and the GPU are those that runs need; torch itself is not imported."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spml.desk.finding import FAIL, NOTE, OK, Finding

LOCK = Path("envs/requirements.lock")


def locked_versions(text: str) -> dict[str, str]:
    """The version of each package that the lock has for this machine."""
    from packaging.markers import Marker

    versions = {}
    for name, number, marker in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE
    ):
        if not marker or Marker(marker.strip()).evaluate():
            versions[name] = number
    return versions


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_packages() -> list[Finding]:
    """Whether the environment that this runs in holds what the lock says."""
    from packaging.version import Version

    if not LOCK.is_file():
        return []
    locked = locked_versions(LOCK.read_text(encoding="utf-8"))
    stale = []
    for name, wanted in locked.items():
        installed = _installed(name)
        # A build for another machine (2.11.0+cpu) is the same version.
        if installed is None or Version(installed).public != Version(wanted).public:
            stale.append(f"{name} {installed or 'missing'} instead of {wanted}")
    if stale:
        more = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
        return [
            Finding(
                FAIL,
                f"packages: {', '.join(stale[:3])}{more}; make setup brings them back "
                "(touch envs/requirements.lock first where it finds nothing to do)",
            )
        ]
    return [Finding(OK, f"packages: all {len(locked)} are those of the lock")]


def torch_cuda() -> str | None:
    """The CUDA version that torch was built for; None for a build without, or without torch."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    match = re.search(r"^cuda[^=]*= '([0-9.]+)'", text, re.MULTILINE)
    return match[1] if match else None


def driver() -> tuple[list[str], str, int] | None:
    """Names of the GPUs, the driver's version and its CUDA version; None where there is none."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        cuda = int(pynvml.nvmlSystemGetCudaDriverVersion())  # 13000 is 13.0
        return names, str(pynvml.nvmlSystemGetDriverVersion()), cuda
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def check_gpu(config: Mapping[str, Any]) -> list[Finding]:
    """Whether there is a GPU, and a driver that torch's build works with."""
    found = driver() if config["device"] != "cpu" else None
    if found is None or not found[0]:
        if config["device"] == "cuda":
            return [Finding(FAIL, "GPU: device is 'cuda' but there is no GPU; use 'auto' or 'cpu'")]
        chosen = " (device is 'cpu')" if config["device"] == "cpu" else ""
        return [Finding(NOTE, f"GPU: no GPU: training runs on the CPU{chosen}")]
    names, driver_version, cuda = found
    there = f"{len(names)} x {names[0]}, driver {driver_version}"
    build = torch_cuda()
    if build is None:
        level = FAIL if config["device"] == "cuda" else NOTE
        return [Finding(level, f"GPU: {there}, but torch is a build without CUDA: not used")]
    # Within a major version, older drivers run newer builds.
    if cuda // 1000 < int(build.split(".")[0]):
        return [
            Finding(
                FAIL,
                f"GPU: {there} supports CUDA {cuda // 1000}.{cuda % 1000 // 10} but torch was "
                f"built for {build}; bring the driver up to date, or set device: cpu",
            )
        ]
    return [Finding(OK, f"GPU: {there}, torch built for CUDA {build}")]
