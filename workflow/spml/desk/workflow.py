"""What Snakemake itself has left in the folder: its lock, and files that it did not finish."""

import base64
import binascii
import os
from collections.abc import Iterator
from pathlib import Path

from spml.desk.finding import FAIL, NOTE, OK, Finding

STATE = Path(".snakemake")


def running_here() -> list[int]:
    """Processes of Snakemake whose working directory is this one, oldest first."""
    return sorted(_running_here())


def _running_here() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            there = Path(os.readlink(process / "cwd"))
        except OSError:
            continue  # it has ended, or is somebody else's
        snakemake = any(Path(os.fsdecode(word)).name == "snakemake" for word in words[:3])
        if snakemake and there == Path.cwd():
            yield int(process.name)


def check_lock() -> list[Finding]:
    """Whether another Snakemake is at work here, or one that was killed has left its lock."""
    running = running_here()
    if running:
        return [
            Finding(
                FAIL,
                f"lock: snakemake runs here (process {running[0]}); wait for it to end, since a "
                "second one is refused",
            )
        ]
    if any((STATE / "locks").glob("*.lock")):
        return [
            Finding(
                FAIL,
                "lock: the folder is locked but no snakemake runs here on this machine; if none "
                "does on another: snakemake --unlock",
            )
        ]
    return [Finding(OK, "lock: none")]


def incomplete_files() -> list[str]:
    """Files that a job had begun when it was killed, as far as they are still there."""
    names = []
    for path in (STATE / "incomplete").glob("**/*"):
        if path.is_file():
            encoded = "".join(path.relative_to(STATE / "incomplete").parts).replace("@", "")
            try:
                name = base64.b64decode(encoded, validate=True).decode()
            except (binascii.Error, ValueError):
                continue  # something else of Snakemake's
            if Path(name).exists():
                names.append(name)
    return sorted(names)


def check_incomplete() -> list[Finding]:
    """Files that a killed job has left, which a run without the profile refuses."""
    names = incomplete_files()
    if not names or running_here():
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return [
        Finding(
            NOTE,
            f"incomplete: {names[0]}{more}, of a job that was killed; made again with "
            "--workflow-profile workflow/profiles/default or --rerun-incomplete",
        )
    ]
