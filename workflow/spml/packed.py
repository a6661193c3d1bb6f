"""Packed images: a memory-mapped array a split, and a manifest that stands for them in the DAG."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spml.errors import UserError
from spml.files import atomic_path, read_json, write_json
from spml.labels import SPLITS


@dataclass(frozen=True)
class PackedImages:
    """The images of both official splits, (N, height, width, channels) uint8, memory-mapped."""

    train: np.ndarray
    test: np.ndarray


def _describe(path: Path, array: np.ndarray) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "shape": list(array.shape), "sha256": digest}


def save_packed(manifest: str | Path, images: dict[str, np.ndarray]) -> None:
    """Write one ``.npy`` a split beside ``manifest``, then the manifest with their checksums.

    A manifest below one megabyte is compared by content, so packing again what is already packed
    does not make a run look out of date.
    """
    manifest = Path(manifest)
    description = {}
    for split in SPLITS:
        path = manifest.with_name(f"{split}.npy")
        with atomic_path(path) as temporary:
            np.save(temporary, images[split])
        description[split] = _describe(path, images[split])
    write_json(manifest, description)


def load_packed(manifest: str | Path) -> PackedImages:
    """Memory-map the packed images; a missing file or another shape is a :class:`UserError`."""
    manifest = Path(manifest)
    arrays = {}
    for split, description in read_json(manifest).items():
        path = manifest.with_name(description["file"])
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be read ({error}); delete {manifest} to pack again"
            ) from error
        if list(array.shape) != description["shape"]:
            raise UserError(
                f"{path} has shape {list(array.shape)} but its manifest says "
                f"{description['shape']}; delete {manifest} to pack again"
            )
        arrays[split] = array
    return PackedImages(**arrays)
