"""Stage *download*: one file of the registry, whole and verified, or a clear error.

curl does the transfers. A file arrives as ``<file>.partial`` and gets its name once its size and
checksum are right, so an interrupted download goes on where it stopped and a file with its final
name is always complete. The receipt (address, size, checksum) stands for the file in the workflow:
it is small, and making it again never deletes the file.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spml.plumbing.checksums import file_checksum
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.exclusive import exclusive
from spml.plumbing.files import write_json

# How often all addresses are tried without getting further, and the seconds to wait before they are
# tried again: 2, 4, 8, ...
ROUNDS = 6
FIRST_WAIT = 2.0
CURL = (
    "curl",
    "--fail",
    "--location",
    # Neither files of this machine nor other services, wherever an address leads.
    *("--proto", "=https,http"),
    *("--proto-redir", "=https,http"),
    *("--connect-timeout", "30"),
    # Give up on a connection that stays below one kilobyte a second for a minute.
    *("--speed-limit", "1000"),
    *("--speed-time", "60"),
    *("--continue-at", "-"),
    *("--write-out", "%{http_code}"),
)
# Exit statuses of curl.
UNUSABLE_ADDRESS = (1, 2, 3)
WRITE_ERROR = 23
NO_RANGES = 33
UNREACHABLE = {6: "the host was not found", 7: "no connection", 28: "no answer in time"}
RANGE_NOT_SATISFIABLE = "416"
# A missing or forbidden file does not appear by waiting for it.
FINAL_ANSWERS = ("400", "401", "403", "404", "410")


@dataclass(frozen=True)
class Source:
    """A row of the registry.

    addresses: the primary one, then mirrors. size: bytes, None where unknown. checksum:
    ``sha256:...`` or ``md5:...``, None where unknown; a shorter one is compared as a beginning.
    access: ``open``, or ``manual`` for files that their makers hand out on request at the address.
    """

    dataset: str
    file: str
    addresses: tuple[str, ...]
    size: int | None
    checksum: str | None
    access: str


class WrongContentError(UserError):
    """A file that arrived whole but is not the right one."""


def verify(path: Path, source: Source, origin: str) -> str:
    """Return ``algorithm:checksum`` of the file; a wrong size or checksum is WrongContentError."""
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        raise WrongContentError(
            f"{source.dataset}/{source.file} from {origin} has {size} bytes, {source.size} expected"
        )
    algorithm, _, expected = (source.checksum or "sha256:").partition(":")
    found = file_checksum(path, algorithm)
    if not found.startswith(expected):
        raise WrongContentError(
            f"{source.dataset}/{source.file} from {origin} has {algorithm} {found}, "
            f"{expected} expected"
        )
    return f"{algorithm}:{found}"


def _check_space(folder: Path, source: Source, present: int) -> None:
    free = shutil.disk_usage(folder).free
    if source.size is not None and source.size - present > free:
        raise UserError(
            f"{folder} has {free / 1e9:.1f} GB free but {source.file} needs "
            f"{(source.size - present) / 1e9:.1f} GB more; free some space, or link the folder to "
            "a larger disk"
        )


def _present(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _transfer(address: str, partial: Path) -> tuple[int, str]:
    """One run of curl that goes on from what ``partial`` holds: exit status and HTTP code."""
    try:
        done = subprocess.run(
            [*CURL, "--output", str(partial), "--url", address],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise UserError("curl is not installed; it comes with envs/download.yaml") from None
    return done.returncode, done.stdout[-3:]


def _fetch(address: str, partial: Path, source: Source) -> None:
    """Get the rest of the file from one address, for as long as each try brings some of it.

    Raises ConnectionError where the address does not get any further for now, LookupError where it
    never will, and UserError for a full disk.
    """
    while source.size is None or _present(partial) < source.size:
        present = _present(partial)
        _check_space(partial.parent, source, present)
        status, code = _transfer(address, partial)
        if status == 0:
            return
        if status == WRITE_ERROR:
            free = shutil.disk_usage(partial.parent).free
            raise UserError(
                f"{partial} could not be written ({free / 1e6:.0f} MB free); free some space, then "
                "start again: the download goes on where it stopped"
            )
        answer = f", HTTP {code}" if code.strip("0") else ""
        answer += f" ({UNREACHABLE[status]})" if status in UNREACHABLE else ""
        print(f"{address}: curl ended with {status}{answer}", file=sys.stderr)
        if code in FINAL_ANSWERS:
            raise LookupError(f"HTTP {code}")
        if status in UNUSABLE_ADDRESS:
            raise LookupError(f"curl ended with {status}")
        if status == NO_RANGES or code == RANGE_NOT_SATISFIABLE:
            partial.unlink(missing_ok=True)  # nothing to go on from: begin again
        if _present(partial) <= present:
            raise ConnectionError(f"curl ended with {status}{answer}")


def _fetch_verified(address: str, partial: Path, source: Source) -> str:
    """:func:`_fetch`, then verify; what is wrong is deleted. Returns the checksum."""
    _fetch(address, partial, source)
    try:
        return verify(partial, source, address)
    except WrongContentError as error:
        partial.unlink()
        raise LookupError(f"{error}; the partial file is deleted") from error


def _fetch_anywhere(target: Path, partial: Path, source: Source) -> str:
    """Try the addresses in turn, with longer and longer waits between rounds."""
    reasons: dict[str, str] = {}
    usable = list(source.addresses)
    for wait in [0.0, *(FIRST_WAIT * 2**n for n in range(ROUNDS - 1))]:
        if usable:
            time.sleep(wait)
        for address in list(usable):
            try:
                return _fetch_verified(address, partial, source)
            except LookupError as error:
                usable.remove(address)
                reasons[address] = str(error)
            except ConnectionError as error:
                reasons[address] = str(error)
    told = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
    raise UserError(
        f"{source.dataset}/{source.file} could not be downloaded: {told}; a file that you put at "
        f"{target} yourself is verified and taken"
    )


def _instructions(source: Source, target: Path) -> str:
    return (
        f"{source.file} of {source.dataset} is handed out on request only: ask for it at "
        f"{source.addresses[0]} and put it at {target}; or set data.{source.dataset}.path to a "
        f"folder that already holds the dataset; or leave {source.dataset} out of select.datasets"
    )


def download(source: Source, target: Path) -> dict[str, Any]:
    """Make ``target`` the file of ``source`` and return its receipt.

    Raises UserError where no address gives the right file. A file that is there already is verified
    and kept.
    """
    receipt = {"dataset": source.dataset, "file": source.file}
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        checksum = verify(target, source, str(target))
        return {**receipt, "bytes": target.stat().st_size, "checksum": checksum}
    if source.access == "manual":
        raise UserError(_instructions(source, target))
    partial = target.with_name(f"{target.name}.partial")
    checksum = _fetch_anywhere(target, partial, source)
    partial.replace(target)
    return {**receipt, "bytes": target.stat().st_size, "checksum": checksum}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.download",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--source", required=True, type=json.loads, help="the file, as JSON")
    parser.add_argument(
        "--addresses", required=True, type=json.loads, help="where it is, as a JSON list"
    )
    parser.add_argument("--output", required=True, type=Path, help="the file to make")
    parser.add_argument("--receipt", type=Path, help="the receipt (.json) to write")
    arguments = parser.parse_args()
    source = Source(**arguments.source, addresses=tuple(arguments.addresses))
    with exclusive(arguments.output):
        receipt = download(source, arguments.output)
    if arguments.receipt is not None:
        write_json(arguments.receipt, receipt)
    print(f"{arguments.output}: {receipt['bytes']} bytes, {receipt['checksum']}")


if __name__ == "__main__":
    run_command(main)
