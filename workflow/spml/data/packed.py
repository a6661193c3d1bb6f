"""Packed images: a memory-mapped array a split, and a manifest that stands for them in the DAG.

Images that are not packed have a manifest too, and are decoded whenever they are read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from spml.data.decode import DecodedImages
from spml.data.labels import SPLITS
from spml.plumbing.checksums import file_checksum
from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path, read_json, write_json

Images: TypeAlias = np.ndarray | DecodedImages


@dataclass(frozen=True)
class PackedImages:
    """The images of both official splits, (N, height, width, channels) uint8, memory-mapped.

    Images that are decoded on the fly have the shape of an array and are indexed by rows like one.
    as_viewed: whether they were read as :func:`spml.data.decode.decode_image` calls it.
    """

    train: Images
    test: Images
    as_viewed: bool = False


def _describe(path: Path, array: np.ndarray) -> dict[str, object]:
    return {"file": path.name, "shape": list(array.shape), "sha256": file_checksum(path)}


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


def _remedy(manifest: Path) -> str:
    """What makes the images again and, since they come out the same, no run on them."""
    return f"to pack again, delete {manifest} and run: snakemake --cores all -- {manifest}"


def _memory_map(path: Path, shape: list[int], manifest: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); {_remedy(manifest)}") from error
    if list(array.shape) != shape:
        raise UserError(
            f"{path} has shape {list(array.shape)} but its manifest says {shape}; "
            f"{_remedy(manifest)}"
        )
    return array


def _on_the_fly(path: Path, description: dict[str, Any], manifest: Path) -> DecodedImages:
    try:
        paths = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}); {_remedy(manifest)}") from error
    return DecodedImages(
        Path(description["folder"]),
        paths,
        description["shape"][1],
        as_viewed=description.get("as_viewed", False),
    )


def load_packed(manifest: str | Path) -> PackedImages:
    """Memory-map the packed images; a missing file or another shape is a :class:`UserError`."""
    manifest = Path(manifest)
    arrays: dict[str, Images] = {}
    document = read_json(manifest)
    for split in SPLITS:
        description = document[split]
        if "list" in description:
            listed = manifest.with_name(description["list"])
            arrays[split] = _on_the_fly(listed, description, manifest)
        else:
            packed = manifest.with_name(description["file"])
            arrays[split] = _memory_map(packed, description["shape"], manifest)
    as_viewed = any(document[split].get("as_viewed", False) for split in SPLITS)
    return PackedImages(**arrays, as_viewed=as_viewed)
