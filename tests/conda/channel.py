"""A local conda channel with the few packages that the environments ask of conda itself."""

import asyncio
import io
import json
import shutil
import tarfile
from pathlib import Path

from rattler import Subdir
from rattler.index import index_fs
from stand_in import PYPI_NAMES, locked

ACTIVATE = """\
export CONDA_PREFIX="$1"
export PATH="$1/bin:$PATH"
"""


def _add(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), mode
    archive.addfile(entry, io.BytesIO(text.encode()))


def _write_package(
    folder: Path, name: str, version: str, depends: list[str], programs: dict[str, str]
) -> None:
    subdir = str(Subdir.current())
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": depends,
        "subdir": subdir,
    }
    path = folder / subdir / f"{name}-{version}-0.tar.bz2"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:bz2") as archive:
        _add(archive, "info/index.json", json.dumps(index))
        _add(archive, "info/files", "".join(f"{program}\n" for program in programs))
        for program, text in programs.items():
            _add(archive, program, text, 0o755)


def make_channel(folder: Path) -> str:
    """Write the channel and return its address."""
    _write_package(folder, "python", "3.12.11", [], {})
    _write_package(folder, "python", "3.13.5", [], {})
    _write_package(folder, "pip", "25.2", ["python"], {})
    for name, pypi_name in PYPI_NAMES.items():
        _write_package(folder, name, locked(pypi_name, "3.12"), ["python"], {})
    curl = f'#!/bin/sh\nexec {shutil.which("curl")} "$@"\n'
    _write_package(folder, "curl", "8.14.1", [], {"bin/curl": curl})
    (folder / "noarch").mkdir()
    asyncio.run(index_fs(folder))
    return f"file://{folder}"
