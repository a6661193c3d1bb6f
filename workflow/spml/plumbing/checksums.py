"""Checksums of the files that a job leaves, so that what was cut or changed since is noticed.

Half of a table reads like a whole one. ``main_table.sha256`` stands for ``main_table.csv``,
``main_table.md`` and all others of that name, in the form of the program ``sha256sum``;
``run.sha256`` for all that a training leaves in its folder.
"""

import hashlib
from pathlib import Path

from spml.plumbing.errors import UserError
from spml.plumbing.files import write_text

RUN_CHECKSUMS = "run.sha256"


def checksums_path(path: str | Path) -> Path:
    """Where the checksum of a file is: beside it, the same for every file of its name."""
    path = Path(path)
    return path.with_name(f"{path.name.partition('.')[0]}.sha256")


def file_checksum(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _line(path: Path) -> str:
    """A file as it is, in the form of ``sha256sum``."""
    return f"{file_checksum(path)}  {path.name}"


def write_checksums(*files: str | Path, into: Path | None = None) -> None:
    """Write the checksums of ``files`` of one folder, when the last of them is written.

    into: the file to write, by default that of their name, which must be the same for all.
    """
    if into is None:
        [into] = {checksums_path(file) for file in files}
    write_text(into, "".join(f"{_line(Path(file))}\n" for file in files))


def verified(path: str | Path, checksums: Path | None = None) -> Path:
    """The path of a file that is as it was written; any other is a :class:`UserError`.

    checksums: the file that says how, by default that of its name.
    """
    path = Path(path)
    try:
        found = _line(path)
        written = (checksums or checksums_path(path)).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); delete it and start again: it is made anew"
        ) from error
    if found not in written:
        raise UserError(
            f"{path} is not as it was written (its checksum differs); delete it and start again: "
            "it is made anew"
        )
    return path


def damaged(folder: str | Path) -> list[str]:
    """Files below ``folder`` that are not as their checksums say; missing ones are not damaged.

    What trainings left is not looked at, since that can be hundreds of GB.
    """
    return sorted(
        str(path)
        for checksums in Path(folder).glob("**/*.sha256")
        if checksums.name != RUN_CHECKSUMS
        for line in checksums.read_text(encoding="utf-8", errors="replace").splitlines()
        if (path := checksums.with_name(line.partition("  ")[2])).is_file() and _line(path) != line
    )
