"""A small stand-in for conda's command line, for ``snakemake --sdm conda`` in tests.

What an environment asks of conda is solved and installed by rattler, from a local channel that
takes the place of conda-forge. Of its pip part, each pin must be what the lock says; then the
installed packages, with what they require, are linked into the environment, and no others. It tests
the environments and the workflow, not conda-forge. Run as ``stand_in.py <channel> <arguments>``.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import rattler
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
CHANNELS = ["conda-forge", "nodefaults"]
# What an environment may take from conda-forge in place of pip, and how PyPI calls it.
PYPI_NAMES = {"pytorch-cpu": "torch", "torchvision": "torchvision"}


def locked(name: str, python: str) -> str:
    """The version of a package in the lock for a version of Python."""
    for found, version, marker in re.findall(
        r"^([a-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?",
        (ROOT / "envs/requirements.lock").read_text(),
        re.MULTILINE,
    ):
        surroundings = {"python_version": python, "python_full_version": f"{python}.0"}
        if found == name and (not marker or Marker(marker.strip()).evaluate(surroundings)):
            return version
    sys.exit(f"{name} is not in the lock")


def check_pin(pin: str, python: str) -> str:
    """The name of a pinned package; the end where lock or installed package differ."""
    name, _, version = pin.partition("==")
    if version != locked(name, python):
        sys.exit(f"{pin} is pinned but the lock has {locked(name, python)}")
    here = "{}.{}".format(*sys.version_info[:2])
    installed = distribution(name).version.partition("+")[0]
    if installed != locked(name, here):
        sys.exit(f"{name} {installed} is installed but the lock has {locked(name, here)}")
    return name


def with_requirements(names: Iterable[str]) -> set[str]:
    """The packages and all that they require on this machine."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for text in distribution(name).requires or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    waiting.append(requirement.name)
    return found


def link(names: Iterable[str], site_packages: Path) -> None:
    """Link what the installed packages consist of."""
    for name in names:
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            if not (site_packages / top).exists():
                (site_packages / top).symlink_to(Path(str(installed.locate_file(top))))


async def install(specs: list[str], channel: str, prefix: Path) -> None:
    """Solve and install what comes from the channel."""
    platforms = [rattler.Subdir.current(), "noarch"]
    records = await rattler.solve([rattler.Channel(channel)], specs, platforms=platforms)
    cache = prefix.parent / "packages"
    await rattler.install(records, prefix, cache_dir=cache, show_progress=False)


def create(channel: str, file: Path, prefix: Path) -> None:
    """``conda env create``."""
    environment = yaml.safe_load(file.read_text())
    if environment["channels"] != CHANNELS:
        sys.exit(f"channels are {environment['channels']}, not {CHANNELS}")
    entries = environment["dependencies"]
    specs = [entry for entry in entries if isinstance(entry, str)]
    [pins] = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    [python] = [spec.partition("=")[2] for spec in specs if spec.startswith("python ")]
    # What conda-forge builds of the lock's packages is a stub in the channel.
    pins += [
        f"{PYPI_NAMES[name]}=={version}"
        for name, _, version in (spec.partition(" =") for spec in specs)
        if name in PYPI_NAMES
    ]
    names = [check_pin(pin, python) for pin in pins]
    asyncio.run(install(specs, channel, prefix))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    paths = sysconfig.get_paths("venv", {"base": str(prefix), "platbase": str(prefix)})
    link(with_requirements(names), Path(paths["purelib"]))


def main() -> None:
    channel, *arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print("conda 24.7.1")
    elif arguments == ["info", "--json"]:
        # Where activate is, and how the platform is called.
        home = str(Path(channel.removeprefix("file://")).parent)
        print(json.dumps({"conda_prefix": home, "platform": str(rattler.Subdir.current())}))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"]:
        parser = argparse.ArgumentParser()
        parser.add_argument("--quiet", action="store_true")
        parser.add_argument("--no-default-packages", action="store_true")
        parser.add_argument("--file", type=Path)
        parser.add_argument("--prefix", type=Path)
        given = parser.parse_args(arguments[2:])
        create(channel, given.file, given.prefix)
    elif arguments[:1] != ["clean"]:
        sys.exit(f"conda {' '.join(arguments)} is nothing that Snakemake 9.27 asks for")


if __name__ == "__main__":
    main()
