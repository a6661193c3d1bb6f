"""Whole files or none: every output of every stage is written through here."""

import contextlib
import csv
import errno
import glob
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spml.plumbing.errors import UserError

# What keeps a file from being written, and what to do about it.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make its folder writable"),
}


def _read_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


# Read once: reading it sets it, which another thread could get to see.
_UMASK = _read_umask()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A full disk, or a folder that must not be written, as a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise UserError(
            f"{path} could not be written: {error.strerror}; what was there before is intact; "
            f"{_REMEDIES[error.errno]} and start again"
        ) from error


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it to ``path`` on success.

    A reader sees the old file or the complete new one, never a part; after an error or a kill the
    final name is untouched. The temporary name keeps the suffix, since many writers look at it.
    A full disk, or a folder that must not be written, is a :class:`UserError`.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a process that was killed while it wrote this file has left.
        for remains in path.parent.glob(f".{glob.escape(path.stem)}-????????{path.suffix}"):
            remains.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes private files; outputs carry the permissions of an ordinary new file.
            temporary.chmod(0o666 & ~_UMASK)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table with a line a row, separated by commas, as UTF-8."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


@contextlib.contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """A file that is missing, cut short or damaged as a sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); delete it and start again: it is made anew"
        ) from error


def read_json(path: str | Path) -> Any:
    """Read one JSON document; one that is missing or damaged is a :class:`UserError`."""
    with _readable(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json_lines(path: str | Path, records: list[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    write_text(path, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a file that is missing or damaged is a :class:`UserError`."""
    with _readable(path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
