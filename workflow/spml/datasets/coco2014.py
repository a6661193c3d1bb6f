"""Microsoft COCO 2014: 80 object classes, ``train2014`` to train on and ``val2014`` to test on.

Only images with at least one annotation are kept; crowd annotations count. Classes keep the order
of the file's "categories". Rows are sorted by image number *as text without leading zeros* (100012
comes before 9), as in the code of Cole et al. (CVPR 2021), since the draw of the single positives
depends on the order of the rows.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spml.data.labels import Split
from spml.datasets.boxes import tell_unusable
from spml.datasets.tree import find
from spml.plumbing.errors import UserError

OFFICIAL_SPLITS = {"train": "train2014", "test": "val2014"}


def image_folder(root: Path) -> Path:
    """Folder of the images, whose paths begin with the split's own folder."""
    return root


def _skip_space(text: str, position: int) -> int:
    while text[position].isspace():
        position += 1
    return position


def iterate_items(text: str) -> Iterator[tuple[str, Any]]:
    """Yield (key, item) for each item of each list in a JSON object, one after the other.

    The official file holds 0.6 million outlines, 3 GB once parsed; item by item none of them lives
    longer than its turn. Values that are not lists are passed over. Raises ValueError or IndexError
    for a text that is not a JSON object.
    """
    decode = json.JSONDecoder().raw_decode
    position = _skip_space(text, 0)
    while text[position] != "}":
        # Here stands the opening brace or the comma after the value before.
        position = _skip_space(text, position + 1)
        if text[position] == "}":
            return
        key, position = decode(text, position)
        position = _skip_space(text, _skip_space(text, position) + 1)  # past the colon
        if text[position] != "[":
            position = decode(text, position)[1]
        else:
            position = _skip_space(text, position + 1)
            while text[position] != "]":
                item, position = decode(text, position)
                yield key, item
                position = _skip_space(text, position)
                if text[position] == ",":
                    position = _skip_space(text, position + 1)
            position += 1
        position = _skip_space(text, position)


def _read(path: Path) -> tuple[list[dict], dict[int, tuple], list[tuple]]:
    """Categories in order; size of each image; (image, category, box, area) of each annotation."""
    categories: list[dict] = []
    sizes: dict[int, tuple] = {}
    annotations: list[tuple] = []
    try:
        for key, item in iterate_items(path.read_text(encoding="utf-8")):
            if key == "annotations":
                outline = (item.get("bbox"), item.get("area"))
                annotations.append((item["image_id"], item["category_id"], *outline))
            elif key == "images":
                sizes[item["id"]] = (item.get("width"), item.get("height"))
            elif key == "categories":
                categories.append(item)
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not an annotation file of COCO 2014 ({error!r})") from error
    if not categories or not annotations:
        raise UserError(f"{path} holds {len(annotations)} annotations of {len(categories)} classes")
    _check(path, categories, annotations)
    return categories, sizes, annotations


def _check(path: Path, categories: list[dict], annotations: list[tuple]) -> None:
    """Refuse categories without a number or name of their own, and annotations of another one."""
    numbers = set()
    for category in categories:
        number, name = category.get("id"), category.get("name")
        if type(number) is not int or not isinstance(name, str) or number in numbers:
            raise UserError(
                f"{path}: the category {category} needs a whole number as its id, which no other "
                "has, and a name"
            )
        numbers.add(number)
    for image, category, _, _ in annotations:
        if type(image) is not int or category not in numbers:
            raise UserError(
                f"{path}: an annotation of image {image!r} has category {category!r}; images are "
                "whole numbers, and the categories those that the file lists"
            )


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; boxes only where the annotations have them."""
    name = OFFICIAL_SPLITS[split]
    categories, sizes, annotations = _read(find(root, f"annotations/instances_{name}.json"))
    columns = {category["id"]: column for column, category in enumerate(categories)}
    numbers = sorted({image for image, *_ in annotations}, key=str)
    rows = {number: row for row, number in enumerate(numbers)}
    truth = np.zeros((len(numbers), len(columns)), dtype=np.bool_)
    boxes: list[tuple[float, ...]] = []
    objects: list[tuple[float, ...]] = []
    problems: list[str] = []
    for image, category, box, area in annotations:
        row, column = rows[image], columns[category]
        truth[row, column] = True
        if box:
            try:
                (width, height), (left, top, across, down) = sizes[image], box
                scaled = (
                    left / width,
                    top / height,
                    (left + across) / width,
                    (top + down) / height,
                )
                distance = math.hypot(left + across / 2 - width / 2, top + down / 2 - height / 2)
                inside = float(across * down if area is None else area)  # of the outline
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                problems.append(f"{box} in image {image} of size {sizes.get(image)}")
                continue
            boxes.append((row, column, *scaled))
            objects.append((row, column, inside, distance))
    tell_unusable(problems)
    images = np.array([f"{name}/COCO_{name}_{number:012d}.jpg" for number in numbers])
    return (
        tuple(category["name"] for category in categories),
        Split(
            images,
            truth,
            np.array(boxes, dtype=np.float32).reshape(-1, 6),
            objects=np.array(objects, dtype=np.float64).reshape(-1, 4) if objects else None,
        ),
    )
