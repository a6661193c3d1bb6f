"""Whether the data of the selected datasets is there, verified, and what has to be had by hand."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spml.desk.finding import FAIL, NOTE, OK, Finding, format_bytes
from spml.planning import registry
from spml.plumbing.addresses import LABELS, PACKED
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json


def selected(config: Mapping[str, Any]) -> list[str]:
    """The selected datasets that come from files."""
    return [name for name in registry.real_datasets(config) if name in config["select"]["datasets"]]


def _check_archive(row: registry.Row) -> Iterator[Finding]:
    archive = Path(f"data/raw/{row.dataset}/{row.file}")
    receipt = archive.with_name(f"{row.file}.receipt.json")
    name = f"data: {row.dataset}/{row.file}"
    if not archive.is_file():
        if archive.with_name(f"{row.file}.manifest.json").is_file():
            return  # extracted already, and not needed any more
        if row.access == "manual":
            yield Finding(
                FAIL,
                f"{name} is handed out on request only: ask for it at {row.addresses[0]} and put "
                f"it at {archive}, or set data.{row.dataset}.path, or leave {row.dataset} out",
            )
        else:
            size = f", {format_bytes(row.size)}" if row.size is not None else ""
            yield Finding(NOTE, f"{name} is to be downloaded{size}")
    elif row.size is not None and archive.stat().st_size != row.size:
        yield Finding(
            FAIL,
            f"{name} has {archive.stat().st_size} bytes, {row.size} expected; delete {archive} to "
            "download it again",
        )
    elif not receipt.is_file():
        yield Finding(NOTE, f"{name} is there but not verified yet, which the run does first")
    else:
        checksum = read_json(receipt)["checksum"]
        # The checksum of a row may be the beginning of one.
        if row.checksum is not None and not checksum.startswith(row.checksum):
            yield Finding(
                FAIL,
                f"{name} was received with {checksum} but the registry says {row.checksum}; "
                f"delete {archive} and {receipt} to download it again",
            )


def _is_read(config: Mapping[str, Any], dataset: str) -> bool:
    """Whether a run still reads a tree of the user's own; of one that is packed, tables alone."""
    source = config["datasets"][dataset]["source"]
    made = all(Path(file.format(dataset=dataset)).is_file() for file in (LABELS, PACKED))
    return not made or source["module"] == "table" or source["pack"] == "on_the_fly"


def _check_tree(config: Mapping[str, Any], dataset: str, tree: Path) -> Iterator[Finding]:
    """Whether formatting and packing would take a tree of the user's own, by what reads it."""
    # They read with pandas, which is slow to import.
    from spml.data.labels import SPLITS
    from spml.datasets import dataset_module, reading

    source = config["datasets"][dataset]["source"]
    module = dataset_module(source["module"])
    counts = source.get("class_counts")
    try:
        labels = reading.read_labels(module, tree, source["size"])
        known = reading.read_class_counts(counts, dataset) if counts else {}
        reading.check_counts(labels, source.get("expected", {}), known)
        folder = module.image_folder(tree)
        for split in SPLITS:
            for image in getattr(labels, split).paths():
                if not (folder / image).is_file():
                    raise UserError(f"there is no {folder / image}, which the {split} split names")
    except (OSError, UserError) as error:
        yield Finding(FAIL, f"data: data.{dataset}.path: {error}")


def _check_packed(dataset: str) -> Iterator[Finding]:
    manifest = Path(PACKED.format(dataset=dataset))
    if not manifest.is_file():
        return
    document = read_json(manifest)
    if isinstance(repeated := document.get("test_images_in_train"), dict):
        yield Finding(
            NOTE,
            f"data: {repeated['count']} of the test images of {dataset} are a training image too, "
            f"byte for byte: {', '.join(repeated['first'])}",
        )
    for split, description in document.items():
        file = description.get("file") if isinstance(description, dict) else None
        if file is not None and not manifest.with_name(file).is_file():
            yield Finding(
                FAIL,
                f"data: the packed {split} images of {dataset} are lost; delete {manifest} and "
                f"run: snakemake --cores all -- {manifest}",
            )


def _check_features(config: Mapping[str, Any], dataset: str) -> Iterator[Finding]:
    file = config["datasets"][dataset].get("features", {}).get("file")
    if file is not None and not Path(file).is_file():
        yield Finding(FAIL, f"data: datasets.{dataset}.features.file: there is no {file}")


def _check_weights(config: Mapping[str, Any], dataset: str) -> Iterator[Finding]:
    path = Path(config["datasets"][dataset]["backbone"]["weights"])
    rows = {row.file: row for row in registry.configured_rows(config) if row.dataset == "weights"}
    if path.is_file() or path.name not in rows:
        return
    yield Finding(NOTE, f"data: the backbone weights {path.name} are to be downloaded")


def check_data(config: Mapping[str, Any]) -> list[Finding]:
    """Archives or the user's own tree or features, packed images and weights of each dataset."""
    findings: list[Finding] = []
    for dataset in config["select"]["datasets"]:
        findings += _check_packed(dataset)
        findings += _check_features(config, dataset)
    for dataset in selected(config):
        own = registry.own_path(config, dataset)
        if own is not None and not Path(own).is_dir():
            findings.append(
                Finding(FAIL, f"data: data.{dataset}.path is {own}, which is not a folder")
            )
        elif own is not None and _is_read(config, dataset):
            findings += _check_tree(config, dataset, Path(own))
        if own is None:
            for row in registry.configured_rows(config):
                if row.dataset == dataset:
                    findings += _check_archive(row)
        findings += _check_weights(config, dataset)
    findings = list(dict.fromkeys(findings))
    if any("to be downloaded" in finding.text for finding in findings) and not shutil.which("curl"):
        findings.append(Finding(FAIL, "data: curl is not installed, which downloads need"))
    return findings or [Finding(OK, "data: complete")]
