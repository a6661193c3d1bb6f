"""What datasets and runs take on the disk, from the registry and the configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spml.planning import registry
from spml.plumbing.addresses import PACKED


def archive_bytes(config: Mapping[str, Any], dataset: str, file: str) -> int | None:
    """The size of a file of the registry; None where that is not known."""
    for row in registry.configured_rows(config):
        if (row.dataset, row.file) == (dataset, file):
            return row.size
    return None


def packed_bytes(config: Mapping[str, Any], dataset: str) -> int | None:
    """The pixels of a dataset's packed images; None where their number is not known."""
    source = config["datasets"][dataset].get("source")
    if source is None or source["pack"] == "on_the_fly":
        return 0
    splits = source.get("expected", {}).values()
    if not splits or not all("images" in split for split in splits):
        return None
    return sum(split["images"] for split in splits) * source["size"] ** 2 * 3


def weights_bytes(config: Mapping[str, Any], dataset: str, protocol: str) -> int | None:
    """The weights that a run keeps, which are as large as those that it starts from.

    A head on features is next to nothing.
    """
    if config["protocols"][protocol]["training"].get("frozen", False):
        return 0
    path = Path(config["datasets"][dataset]["backbone"]["weights"])
    if path.is_file():
        return path.stat().st_size
    return archive_bytes(config, "weights", path.name)


def missing_data(config: Mapping[str, Any], dataset: str) -> dict[str, int | None]:
    """What of a downloaded dataset is still to be written, by what it is: bytes, None if unknown.

    Files that are extracted are taken to be as large as their archives, which photographs are.
    """
    missing: dict[str, int | None] = {}
    if registry.own_path(config, dataset) is None:
        for row in registry.configured_rows(config):
            if row.dataset != dataset:
                continue
            archive = Path(f"data/raw/{dataset}/{row.file}")
            if not archive.is_file():
                partial = archive.with_name(f"{row.file}.partial")
                present = partial.stat().st_size if partial.is_file() else 0
                missing[row.file] = None if row.size is None else max(row.size - present, 0)
            if not archive.with_name(f"{row.file}.manifest.json").is_file():
                missing[f"files of {row.file}"] = row.size
    if not Path(PACKED.format(dataset=dataset)).is_file():
        missing["packed images"] = packed_bytes(config, dataset)
    return missing
