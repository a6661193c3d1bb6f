"""The registry of files to download, and which stage of a real dataset needs which of them.

Planning imports this module, so it imports nothing heavy.
"""

import csv
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets import MODULES

COLUMNS = [
    *("dataset", "file", "holds", "address", "mirrors"),
    *("bytes", "checksum", "licence", "access"),
]
REFERENCE_MODULES = ("voc2012", "coco2014", "nuswide", "cub")
HOLDS = ("labels", "images", "all")
ACCESS = ("open", "manual")


# torchvision's own weights by network and name, with the file that its servers have of them.
TORCHVISION = Path("config/torchvision_weights.tsv")
WEIGHTS = "data/weights"


class RegistryError(Exception):
    """A mistake in the registry or in the configuration around it, in a sentence."""


class Row(NamedTuple):
    """One file: addresses with their roots filled in, the primary one first."""

    dataset: str
    file: str
    holds: str
    addresses: tuple[str, ...]
    size: int | None
    checksum: str | None
    access: str


def _fill(address: str, roots: Mapping[str, str], place: str) -> str:
    for _, name, _, _ in string.Formatter().parse(address):
        if name is not None and name not in roots:
            known = ", ".join(sorted(roots)) or "none"
            raise RegistryError(f"{place}: no download.roots.{name} in the configuration; {known}")
    return address.format(**{name: root.rstrip("/") for name, root in roots.items()})


def _read_row(row: Mapping[str, str], roots: Mapping[str, str], place: str) -> Row:
    def allowed(key: str, names: tuple[str, ...]) -> None:
        if row[key] not in names:
            raise RegistryError(f"{place}: {key} is {row[key]!r}; allowed: {', '.join(names)}")

    allowed("holds", HOLDS)
    allowed("access", ACCESS)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", row["file"]):
        raise RegistryError(f"{place}: file is {row['file']!r}, which is not a plain file name")
    if not re.fullmatch(r"[0-9]*", row["bytes"]):
        raise RegistryError(f"{place}: bytes is {row['bytes']!r}, which is not a whole number")
    if not re.fullmatch(r"(sha256:[0-9a-f]{8,64}|md5:[0-9a-f]{8,32})?", row["checksum"]):
        raise RegistryError(
            f"{place}: checksum is {row['checksum']!r}; sha256:<hex> or md5:<hex> is expected"
        )
    addresses = [
        _fill(address, roots, place) for address in (row["address"], *row["mirrors"].split())
    ]
    for address in addresses:
        if not re.fullmatch(r"https?://[!-~]+", address):
            raise RegistryError(f"{place}: {address!r} is not an address of the web (https://...)")
    return Row(
        dataset=row["dataset"],
        file=row["file"],
        holds=row["holds"],
        addresses=tuple(addresses),
        size=int(row["bytes"]) if row["bytes"] else None,
        checksum=row["checksum"] or None,
        access=row["access"],
    )


def read_registry(path: str | Path, roots: Mapping[str, str]) -> list[Row]:
    """The rows of a registry, a table separated by tabs; a mistake in it is a RegistryError.

    roots: what {name} in an address stands for.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RegistryError(f"{path}, named by download.registry, cannot be read") from error
    reader = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    if reader.fieldnames != COLUMNS:
        raise RegistryError(f"{path}: the columns must be {', '.join(COLUMNS)}")
    rows = []
    for number, row in enumerate(reader, start=2):
        if None in row or None in row.values():
            raise RegistryError(f"{path}, line {number}: {len(COLUMNS)} columns are expected")
        rows.append(_read_row(row, roots, f"{path}, line {number}"))
    names = [(row.dataset, row.file) for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise RegistryError(f"{path}: {name[0]} {name[1]} stands there twice")
    return rows


def configured_rows(config: Mapping[str, Any]) -> list[Row]:
    """The rows of the registry that the configuration names."""
    download = config.get("download", {})
    if "registry" not in download:
        return []
    rows = read_registry(download["registry"], download.get("roots", {}))
    listed = {row.file for row in rows if row.dataset == "weights"}
    used = {
        path.name
        for dataset in config["datasets"].values()
        if (path := Path(dataset.get("backbone", {}).get("weights", ""))).parent == Path(WEIGHTS)
    }
    if not used - listed:
        return rows
    files = sorted({*_torchvision_files().values()} & used - listed)
    return rows + [_torchvision_row(file, download.get("roots", {})) for file in files]


def _torchvision_files() -> dict[tuple[str, str], str]:
    """The file of each network's weights of each name."""
    text = TORCHVISION.read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines(), delimiter="\t")
    return {(row["architecture"], row["weights"]): row["file"] for row in reader}


def _torchvision_row(file: str, roots: Mapping[str, str]) -> Row:
    """What the registry would say of weights of torchvision, whose names end with a checksum."""
    return Row(
        dataset="weights",
        file=file,
        holds="all",
        addresses=(_fill(f"{{pytorch}}/{file}", roots, str(TORCHVISION)),),
        size=None,
        checksum=f"sha256:{Path(file).stem.rpartition('-')[2]}",
        access="open",
    )


def with_weight_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the file of weights that are called as torchvision calls them.

    ``IMAGENET1K_V1`` of ``vit_b_16`` is a file below data/weights; a name that torchvision does not
    have of the network is a RegistryError.
    """
    datasets = dict(config["datasets"])
    for name, dataset in datasets.items():
        backbone = dataset.get("backbone", {})
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", backbone.get("weights", "")):
            continue
        known, address = _torchvision_files(), (backbone["architecture"], backbone["weights"])
        if address not in known:
            names = ", ".join(other for network, other in known if network == address[0])
            raise RegistryError(
                f"datasets.{name}.backbone.weights is {address[1]}, which torchvision has not got "
                f"of {address[0]}; allowed: {names or 'the path of a file'}"
            )
        file = f"{WEIGHTS}/{known[address]}"
        datasets[name] = {**dataset, "backbone": {**backbone, "weights": file}}
    return {**config, "datasets": datasets}


def download_settings(config: Mapping[str, Any], dataset: str, file: str) -> dict[str, Any]:
    """One file as ``python -m spml.download`` takes it: what it is, and its ``addresses``."""
    for row in configured_rows(config):
        if (row.dataset, row.file) == (dataset, file):
            settings = row._asdict()
            del settings["holds"]
            return settings
    raise RegistryError(f"{config['download']['registry']} has no row {dataset} {file}")


def own_path(config: Mapping[str, Any], dataset: str) -> str | None:
    """The folder in which a user already has a dataset; None where it is downloaded."""
    return config.get("data", {}).get(dataset, {}).get("path")


def tree(config: Mapping[str, Any], dataset: str) -> str:
    """The folder of a dataset's official tree."""
    return own_path(config, dataset) or f"data/tree/{dataset}"


def manifests(config: Mapping[str, Any], dataset: str, holds: str) -> list[str]:
    """Manifests of the extracted files that hold ``labels`` or ``images`` of a dataset.

    Where the user already has the dataset, the tables of a dataset that consists of them, because
    they are edited; of an official tree nothing.
    """
    own = own_path(config, dataset)
    if own is not None:
        tables = holds == "labels" and config["datasets"][dataset]["source"]["module"] == "table"
        return [str(path) for path in sorted(Path(own).glob("*.csv"))] if tables else []
    found = [
        f"data/raw/{dataset}/{row.file}.manifest.json"
        for row in configured_rows(config)
        if row.dataset == dataset and row.holds in (holds, "all")
    ]
    if holds == "images" and "image_address" in config["datasets"][dataset]["source"]:
        found.append(f"data/raw/{dataset}/images.json")
    if not found:
        raise RegistryError(
            f"{config.get('download', {}).get('registry')} has no {holds} of {dataset}; add its "
            f"files, or set data.{dataset}.path to a folder that holds them"
        )
    return found


def real_datasets(config: Mapping[str, Any]) -> list[str]:
    """Names of the datasets that come from files, not from this package."""
    return [name for name, dataset in config["datasets"].items() if "source" in dataset]


def check(config: Mapping[str, Any]) -> None:
    """Raise RegistryError for a mistake in the registry, or where it lacks a selected dataset."""
    configured_rows(config)
    for dataset in config.get("data", {}):
        if dataset not in config["datasets"]:
            known = ", ".join(real_datasets(config))
            raise RegistryError(f"data.{dataset} is not a dataset; allowed: {known}")
    for dataset in real_datasets(config):
        module = config["datasets"][dataset]["source"]["module"]
        if module not in MODULES:
            raise RegistryError(
                f"datasets.{dataset}.source.module is {module!r}; allowed: {', '.join(MODULES)}"
            )
    for dataset in sorted({*config["select"]["datasets"]} & {*real_datasets(config)}):
        for holds in ("labels", "images"):
            manifests(config, dataset, holds)
        _check_weights(config, dataset)


def _check_weights(config: Mapping[str, Any], dataset: str) -> None:
    path = Path(config["datasets"][dataset]["backbone"]["weights"])
    listed = [row.file for row in configured_rows(config) if row.dataset == "weights"]
    if path.parent == Path(WEIGHTS) and path.name in listed:
        return
    if path.parts[:1] != ("results",) and not path.is_file():
        raise RegistryError(
            f"datasets.{dataset}.backbone.weights is {path}, which is neither a file nor of those "
            f"that are downloaded (data/weights/ and: {', '.join(listed)})"
        )
