"""Stage *pack*: decode every image once, into one memory-mapped file a split.

With ``on_the_fly`` nothing is stored but the list of images, which training then decodes itself.

While a split is packed, <split>.npy.partial holds the pixels and <split>.done one byte an image, so
that an interrupted run goes on where it stopped. <split>.key says what the pixels were made from;
pixels made from something else are made anew.

Test images that are a training image too, byte for byte, such as the placeholder of a photograph
that is gone, are counted in the log and in the manifest.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from spml.data.decode import decode_image
from spml.data.labels import SPLITS, load_labels
from spml.datasets import dataset_module
from spml.plumbing.checksums import file_checksum
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.exclusive import exclusive
from spml.plumbing.files import write_json, write_text

# Images that a process decodes between two entries in the record of what is done.
PIECE = 32
# Bytes of a file that are compared before all of them are: beyond what headers have in common.
BEGINNING = 16384
# Names that are given of many.
SHOWN = 5
# Raised when a change of this module or of the decoding changes pixels.
VERSION = 1


class Piece(NamedTuple):
    """Rows ``start`` and following of a split: what one process does in one go."""

    start: int
    files: list[str]
    size: int
    as_viewed: bool
    target: str
    offset: int  # of the first pixel of row 0


def _pack_piece(piece: Piece) -> tuple[int, int]:
    """Decode the images of a piece into the file; returns its first row and their number."""
    row_bytes = piece.size * piece.size * 3
    # A memory map would die of a signal on a full disk; writing raises an error.
    with open(piece.target, "r+b") as target:
        for number, file in enumerate(piece.files):
            pixels = decode_image(file, piece.size, as_viewed=piece.as_viewed)
            target.seek(piece.offset + (piece.start + number) * row_bytes)
            target.write(pixels.tobytes())
        target.flush()
        os.fsync(target.fileno())
    return piece.start, len(piece.files)


def _end_with_parent() -> None:
    """Let this process end when the one that started it is killed, so that it writes no more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _start_process() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """The beginning of an .npy file of uint8 in C order."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


class _Split:
    """Paths and state of one split on the way to its .npy file."""

    def __init__(
        self,
        folder: Path,
        name: str,
        files: list[str],
        *,
        size: int,
        origin: str,
        as_viewed: bool,
    ) -> None:
        self.name = name
        self.files = files
        self.size = size
        self.as_viewed = as_viewed
        self.shape = (len(files), size, size, 3)
        self.header = _npy_header(self.shape)
        self.final = folder / f"{name}.npy"
        self.partial = folder / f"{name}.npy.partial"
        self.record = folder / f"{name}.done"
        self.key_file = folder / f"{name}.key"
        seen = ["as viewed"] if as_viewed else []
        text = json.dumps([VERSION, size, origin, files, *seen])
        self.key = hashlib.sha256(text.encode()).hexdigest()
        if not self.key_file.exists() or self.key_file.read_text() != self.key:
            for path in (self.final, self.partial, self.record):
                path.unlink(missing_ok=True)
            write_text(self.key_file, self.key)
        if self.final.exists() and self.final.stat().st_size != self.bytes:
            self.final.unlink()

    @property
    def bytes(self) -> int:
        return len(self.header) + int(np.prod(self.shape))

    def done(self) -> np.ndarray:
        """(N,) bool: which rows are in the file."""
        if self.final.exists():
            return np.ones(len(self.files), dtype=np.bool_)
        if self.record.exists() and self.partial.exists():
            record = np.fromfile(self.record, dtype=np.bool_)
            if len(record) == len(self.files):
                return record
        return np.zeros(len(self.files), dtype=np.bool_)

    def missing_bytes(self) -> int:
        """Bytes that the disk still has to take."""
        if self.final.exists():
            return 0
        used = self.partial.stat().st_blocks * 512 if self.partial.exists() else 0
        return max(0, self.bytes - used)

    def pieces(self) -> list[Piece]:
        """What is left to do; rows are done or not in whole pieces."""
        done = self.done()
        return [
            Piece(
                start,
                self.files[start : start + PIECE],
                self.size,
                self.as_viewed,
                str(self.partial),
                len(self.header),
            )
            for start in range(0, len(self.files), PIECE)
            if not done[start : start + PIECE].all()
        ]

    def pack(self, processes: int) -> None:
        """Make the .npy file."""
        if self.final.exists():
            return
        done = self.done()
        if not done.any():
            with self.partial.open("wb") as file:
                file.write(self.header)
                file.truncate(self.bytes)
            done.tofile(self.record)
        pieces = self.pieces()
        with (
            tqdm(
                total=len(self.files),
                initial=int(done.sum()),
                desc=self.name,
                unit="image",
                mininterval=1,
            ) as progress,
            self.record.open("r+b") as record,
            ProcessPoolExecutor(
                max(1, min(processes, len(pieces))),
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_process,
            ) as pool,
        ):
            waiting = [pool.submit(_pack_piece, piece) for piece in pieces]
            for finished in as_completed(waiting):
                if finished.exception() is not None:
                    pool.shutdown(cancel_futures=True)
                start, count = finished.result()
                record.seek(start)
                record.write(b"\1" * count)
                record.flush()
                progress.update(count)
        self.partial.replace(self.final)
        self.record.unlink()


def check_space(folder: Path, needed: int) -> None:
    """Raise UserError where the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"packing into {folder} needs {needed / 1e9:.1f} GB more but {free / 1e9:.1f} GB are "
            "free; free some space, link the folder to a larger disk, or set pack: on_the_fly for "
            "this dataset"
        )


def _check_present(files: Sequence[str]) -> None:
    for file in files:
        if not os.path.isfile(file):
            raise UserError(f"image {file} does not exist; the dataset is incomplete")


def pack(
    folder: Path,
    images: dict[str, list[str]],
    *,
    root: Path,
    size: int,
    origin: str,
    processes: int,
    as_viewed: bool = False,
) -> dict[str, Any]:
    """Pack the images of each split into ``folder`` and return the manifest's content.

    images: paths relative to ``root``. origin: identifies the files beyond their names. as_viewed:
    as :func:`spml.data.decode.decode_image` has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits = [
        _Split(
            folder,
            name,
            [str(root / path) for path in paths],
            size=size,
            origin=origin,
            as_viewed=as_viewed,
        )
        for name, paths in images.items()
    ]
    for split in splits:
        _check_present(split.files)
    check_space(folder, sum(split.missing_bytes() for split in splits))
    manifest = {}
    for split in splits:
        try:
            split.pack(processes)
        except OSError as error:
            raise UserError(
                f"{split.partial} could not be written ({error}); what is done is kept"
            ) from error
        except BrokenProcessPool as error:
            raise UserError(
                f"a process that packs {split.final} was killed, perhaps for want of memory; what "
                "is done is kept: start again, if need be with fewer cores"
            ) from error
        manifest[split.name] = {
            "file": split.final.name,
            "shape": list(split.shape),
            "sha256": file_checksum(split.final),
            **({"as_viewed": True} if as_viewed else {}),
        }
    return manifest


def list_only(
    folder: Path,
    images: dict[str, list[str]],
    *,
    root: Path,
    size: int,
    origin: str,
    as_viewed: bool = False,
) -> dict[str, Any]:
    """The manifest's content for images that training decodes itself."""
    manifest = {}
    for name, paths in images.items():
        _check_present([str(root / path) for path in paths])
        text = "".join(f"{path}\n" for path in paths)
        write_text(folder / f"{name}.txt", text)
        manifest[name] = {
            "list": f"{name}.txt",
            "folder": str(root),
            "shape": [len(paths), size, size, 3],
            "sha256": hashlib.sha256(f"{origin}\n{text}".encode()).hexdigest(),
            **({"as_viewed": True} if as_viewed else {}),
        }
    return manifest


def _digests(files: Iterable[Path], *, upto: int | None) -> dict[tuple[int, bytes], list[Path]]:
    """Files by their size and the digest of their first ``upto`` bytes, or of all of them."""
    groups: dict[tuple[int, bytes], list[Path]] = {}
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.sha256(stream.read() if upto is None else stream.read(upto)).digest()
        groups.setdefault((file.stat().st_size, digest), []).append(file)
    return groups


def repeated_images(images: dict[str, list[str]], root: Path) -> list[str]:
    """Test images that are byte for byte a training image too, in their order.

    Only files that could be equal are read: those whose size the other split has too, then those
    that begin alike.
    """
    splits = [[root / path for path in images[split]] for split in ("train", "test")]
    sizes = [[file.stat().st_size for file in files] for files in splits]
    shared = set(sizes[0]) & set(sizes[1])
    splits = [
        [file for file, size in zip(files, own, strict=True) if size in shared]
        for files, own in zip(splits, sizes, strict=True)
    ]
    for upto in (BEGINNING, None):
        train, test = (_digests(files, upto=upto) for files in splits)
        splits = [
            [file for key in train.keys() & test.keys() for file in groups[key]]
            for groups in (train, test)
        ]
    found = set(splits[1])
    return [path for path in images["test"] if root / path in found]


def _tell_repeated(repeated: Sequence[str]) -> dict[str, Any]:
    """What log and manifest say of them; nothing where there are none."""
    if not repeated:
        return {}
    shown = ", ".join(repeated[:SHOWN])
    more = f" and {len(repeated) - SHOWN} more" if len(repeated) > SHOWN else ""
    print(
        "warning: test images that are a training image too, byte for byte, perhaps placeholders "
        f"of photographs that are gone: {len(repeated)}, {shown}{more}",
        file=sys.stderr,
    )
    return {"test_images_in_train": {"count": len(repeated), "first": list(repeated[:SHOWN])}}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.pack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", required=True, help="module of spml.datasets")
    parser.add_argument("--raw", required=True, type=Path, help="folder of the official tree")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--origin", nargs="*", default=(), type=Path, help="manifests of the tree")
    parser.add_argument("--size", type=int, default=448, help="height and width in pixels (448)")
    parser.add_argument(
        "--pack", choices=("memory_map", "on_the_fly"), default="memory_map", help="how to store"
    )
    parser.add_argument("--processes", type=int, default=1, help="processes that decode (1)")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest (.json) to write")
    arguments = parser.parse_args()
    labels = load_labels(arguments.labels)
    images = {name: getattr(labels, name).paths() for name in SPLITS}
    module = dataset_module(arguments.dataset)
    root = module.image_folder(arguments.raw)
    options = {
        "root": root,
        "size": arguments.size,
        "origin": "\n".join(path.read_text() for path in arguments.origin),
        "as_viewed": getattr(module, "AS_VIEWED", False),
    }
    folder = arguments.manifest.parent
    with exclusive(arguments.manifest):
        if arguments.pack == "memory_map":
            manifest = pack(folder, images, processes=arguments.processes, **options)
        else:
            manifest = list_only(folder, images, **options)
        manifest |= _tell_repeated(repeated_images(images, root))
        write_json(arguments.manifest, manifest)


if __name__ == "__main__":
    run_command(main)
