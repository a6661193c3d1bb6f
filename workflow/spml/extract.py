"""Stage *extract*: the files of one archive in the dataset's tree, or a clear error.

Members may be files and folders inside the tree and nothing else. The manifest, written last, says
how many files and bytes there are; without it the tree is not taken for complete, and extracting
again replaces whatever an interrupted extraction left.
"""

import argparse
import gzip
import hashlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from spml.plumbing.errors import UserError, run_command
from spml.plumbing.exclusive import exclusive
from spml.plumbing.files import read_json, write_json

BROKEN = (tarfile.ReadError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, OSError)
PIECE = 1 << 20
# An archive that says it holds more than this, and a hundred times its own size, is no dataset.
LARGEST_SMALL = 1 << 30
LARGEST_RATIO = 100


def _safe(archive: Path, name: str) -> PurePosixPath:
    """The relative path of a member; one that would leave the tree is a UserError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise UserError(f"{archive} is refused: its member {name!r} would leave the tree")
    return path


def _zip_members(archive: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = _safe(archive, member.filename)
            if member.is_dir():
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise UserError(
                    f"{archive} is refused: its member {member.filename!r} is neither a file nor a "
                    "folder"
                )
            with file.open(member) as content:  # its checksum is compared when it was read
                yield path, member.file_size, content


def _tar_members(archive: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    compressed = not archive.name.lower().endswith(".tar")
    with (
        gzip.open(archive) if compressed else archive.open("rb") as stream,
        tarfile.open(fileobj=stream) as file,
    ):
        for member in file:
            path = _safe(archive, member.name)
            if member.isdir():
                continue
            content = file.extractfile(member) if member.isreg() else None
            if content is None:
                raise UserError(
                    f"{archive} is refused: its member {member.name!r} is neither a file nor a "
                    "folder"
                )
            with content:
                yield path, member.size, content
        if compressed:
            while stream.read(PIECE):
                pass  # the checksum stands behind the last byte
        else:
            # Cut between two members it would look like a shorter archive.
            stream.seek(file.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("its end is missing")


def _single(archive: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    with archive.open("rb") as content:
        yield PurePosixPath(archive.name), archive.stat().st_size, content


def members(archive: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """Path, size and content of each file in an archive; a file that is none is its own member."""
    name = archive.name.lower()
    if name.endswith(".zip"):
        return _zip_members(archive)
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        return _tar_members(archive)
    return _single(archive)


def _check_size(archive: Path, tree: Path, total: int, size: int) -> None:
    """Refuse a member that, after ``total`` bytes, is too much for the archive or the disk."""
    if total + size > max(LARGEST_SMALL, LARGEST_RATIO * archive.stat().st_size):
        raise UserError(
            f"{archive} is refused: it says that it holds {(total + size) / 1e9:.1f} GB or more, "
            f"which is over {LARGEST_RATIO} times its own size"
        )
    free = shutil.disk_usage(tree).free
    if size > free:
        raise UserError(
            f"{archive} could not be extracted to {tree} (No space left for a file of "
            f"{size / 1e6:.0f} MB; {free / 1e6:.0f} MB free)"
        )


def _write(content: IO[bytes], target: Path, progress: tqdm) -> int:
    """Copy a member to ``target`` and return its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        target.unlink()  # never write through a link
    written = 0
    with target.open("xb") as file:
        while piece := content.read(PIECE):
            file.write(piece)
            written += len(piece)
            progress.update(len(piece))
    return written


def extract(archive: Path, tree: Path) -> dict[str, Any]:
    """Write the files of ``archive`` below ``tree`` and return their manifest.

    Raises UserError for an unsafe, broken or truncated archive, for members that are not as large
    as the archive says, and where the disk is full.
    """
    total = 0
    listing = []
    try:
        with tqdm(desc=archive.name, unit="B", unit_scale=True, mininterval=1) as progress:
            for path, size, content in members(archive):
                target = tree.joinpath(*path.parts)
                if not target.parent.resolve().is_relative_to(tree.resolve()):
                    raise UserError(f"{archive} is refused: {path} would leave the tree")
                tree.mkdir(parents=True, exist_ok=True)
                _check_size(archive, tree, total, size)
                written = _write(content, target, progress)
                if written != size:
                    raise UserError(f"{archive}: {path} has {written} bytes, {size} expected")
                total += size
                listing.append(f"{path}\t{size}\n")
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            free = shutil.disk_usage(tree).free if tree.exists() else 0
            raise UserError(
                f"{archive} could not be extracted to {tree} ({error.strerror}; "
                f"{free / 1e6:.0f} MB free)"
            ) from error
        raise UserError(
            f"{archive} is broken or incomplete ({error}); delete it and its receipt to download "
            "it again"
        ) from error
    if len(set(listing)) != len(listing):
        raise UserError(f"{archive} is refused: it holds a file twice")
    return {
        "archive": archive.name,
        "files": len(listing),
        "bytes": total,
        "listing": hashlib.sha256("".join(sorted(listing)).encode()).hexdigest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.extract",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--archive", required=True, type=Path, help="file to extract")
    parser.add_argument("--receipt", required=True, type=Path, help="receipt of its download")
    parser.add_argument("--tree", required=True, type=Path, help="folder to extract it to")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest (.json) to write")
    arguments = parser.parse_args()
    receipt = read_json(arguments.receipt)
    if not arguments.archive.exists():
        raise UserError(f"{arguments.archive} is gone; delete {arguments.receipt} to get it again")
    if arguments.archive.stat().st_size != receipt["bytes"]:
        raise UserError(
            f"{arguments.archive} has {arguments.archive.stat().st_size} bytes but was downloaded "
            f"with {receipt['bytes']}; delete both it and {arguments.receipt}"
        )
    with exclusive(arguments.manifest):
        arguments.manifest.unlink(missing_ok=True)  # while files are replaced, it is not complete
        manifest = extract(arguments.archive, arguments.tree)
        write_json(arguments.manifest, {**manifest, "checksum": receipt["checksum"]})
    print(f"{arguments.tree}: {manifest['files']} files, {manifest['bytes']} bytes")


if __name__ == "__main__":
    run_command(main)
