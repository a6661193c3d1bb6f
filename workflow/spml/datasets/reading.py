"""The labels of an official tree, compared with what is known of its splits."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from spml.data.labels import SPLITS, Labels, Split
from spml.datasets.boxes import objects_of
from spml.plumbing.errors import UserError


def read_labels(module: ModuleType, root: Path, size: int) -> Labels:
    """Labels of the tree below ``root``, boxes in pixels of images of ``size`` x ``size``."""
    splits: dict[str, Split] = {}
    classes: tuple[str, ...] = ()
    for name in SPLITS:
        names, split = module.read_split(root, name)
        if classes and names != classes:
            raise UserError(f"{root}: the splits do not have the same classes in the same order")
        classes = names
        boxes = split.boxes.copy()
        boxes[:, 2:] *= size
        objects = objects_of(boxes, size) if split.objects is None and len(boxes) else split.objects
        splits[name] = dataclasses.replace(split, boxes=boxes, objects=objects)
    return Labels(classes=classes, **splits)


def counts(split: Split) -> dict[str, int]:
    """Numbers of a split that are compared with the known ones."""
    annotated = split.truth.size if split.annotated is None else split.annotated.nnz
    return {
        "images": split.truth.shape[0],
        "classes": split.truth.shape[1],
        "positives": int(split.truth.sum()),
        "annotated": int(annotated),
        "validation": split.validation,
        "boxes": len(split.boxes),
    }


def read_class_counts(path: str | Path, dataset: str) -> dict[str, dict[str, int]]:
    """Known numbers of images of each class: split -> class -> images, from a table of all."""
    known: dict[str, dict[str, int]] = {}
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["dataset"] == dataset:
                known.setdefault(row["split"], {})[row["class"]] = int(row["images"])
    return known


def check_counts(
    labels: Labels,
    expected: Mapping[str, Mapping[str, int]],
    class_counts: Mapping[str, Mapping[str, int]],
) -> None:
    """Raise UserError where a split differs from what is known of it, with both numbers."""
    for name in SPLITS:
        split: Split = getattr(labels, name)
        found = counts(split)
        for key, number in expected.get(name, {}).items():
            if found[key] != number:
                raise UserError(
                    f"the {name} split has {found[key]} {key} but {number} are expected; the "
                    "annotation is incomplete or of another version"
                )
        images = dict(zip(labels.classes, np.asarray(split.truth.sum(axis=0)), strict=True))
        for key, number in class_counts.get(name, {}).items():
            if int(images.get(key, 0)) != number:
                raise UserError(
                    f"class {key!r} has {int(images.get(key, 0))} images in the {name} split but "
                    f"{number} are expected; the annotation is incomplete or of another version"
                )
