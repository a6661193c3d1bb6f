"""PASCAL VOC 2012: 20 object classes, official ``train`` to train on and ``val`` to test on.

Labels come from ImageSets/Main/<class>_<split>.txt, where 1 is present, 0 present but difficult and
-1 absent. Difficult counts as absent, and images without any present class are left out, as in the
code of Cole et al. (CVPR 2021). Rows are sorted by file name.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from spml.data.labels import Split
from spml.datasets.boxes import tell_unusable
from spml.datasets.tree import find
from spml.plumbing.errors import UserError

# fmt: off
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on
OFFICIAL_SPLITS = {"train": "train", "test": "val"}


def _tree(root: Path) -> Path:
    return find(root, "VOCdevkit/VOC2012", "VOC2012")


def image_folder(root: Path) -> Path:
    """Folder of the images."""
    return _tree(root) / "JPEGImages"


def _present(path: Path) -> list[str]:
    """Names of the images in which the class of a list is present."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a list of VOC 2012 ({error})") from error
    names = []
    for number, line in enumerate(lines, start=1):
        match line.split():
            case []:
                continue
            case [name, "1" | "0" | "-1" as label]:
                if label == "1":
                    names.append(name)
            case _:
                raise UserError(
                    f"{path}, line {number} is {line!r}; an image and 1 (present), 0 (difficult) "
                    "or -1 (absent) are expected"
                )
    return names


def _boxes(folder: Path, names: list[str], truth: np.ndarray) -> np.ndarray:
    """Boxes of the objects of every present class, in fractions of the image.

    Difficult objects of a class that is present are kept: pointing at one is pointing at the class.
    A file that cannot be read, or an object of no class of VOC, is named and left out.
    """
    boxes: list[tuple[float, ...]] = []
    problems = []
    for row, name in enumerate(names):
        path = folder / f"{name}.xml"
        try:
            found = _objects(path)
        except (OSError, ValueError, ElementTree.ParseError) as error:
            problems.append(f"{path} ({error})")
            continue
        boxes += [(row, column, *box) for column, box in found if truth[row, column]]
    tell_unusable(problems)
    return np.array(boxes, dtype=np.float32).reshape(-1, 6)


def _objects(path: Path) -> list[tuple[int, tuple[float, ...]]]:
    """Class and box of each object of one image; ValueError for what is no annotation of VOC.

    VOC counts pixels from 1 and includes the last one.
    """
    # Expat refuses entities that grow without bound, and loads none from elsewhere.
    document = ElementTree.parse(path).getroot()  # noqa: S314
    width, height = (float(document.findtext(f"size/{side}", "0")) for side in ("width", "height"))
    if width <= 0 or height <= 0:
        raise ValueError(f"its size is {width:g} x {height:g}")
    found: list[tuple[int, tuple[float, ...]]] = []
    for item in document.iter("object"):
        name = item.findtext("name", "")
        if name not in CLASSES:
            raise ValueError(f"{name!r} is no class of VOC 2012")
        left, top, right, bottom = (
            float(item.findtext(f"bndbox/{side}", "nothing"))
            for side in ("xmin", "ymin", "xmax", "ymax")
        )
        box = ((left - 1) / width, (top - 1) / height, right / width, bottom / height)
        found.append((CLASSES.index(name), box))
    return found


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; boxes only where the folder Annotations is there."""
    tree = _tree(root)
    lists = tree / "ImageSets" / "Main"
    present = [_present(lists / f"{name}_{OFFICIAL_SPLITS[split]}.txt") for name in CLASSES]
    names = sorted(set().union(*present))
    rows = {name: row for row, name in enumerate(names)}
    truth = np.zeros((len(names), len(CLASSES)), dtype=np.bool_)
    for column, column_names in enumerate(present):
        truth[[rows[name] for name in column_names], column] = True
    annotations = tree / "Annotations"
    boxes = _boxes(annotations, names, truth) if annotations.is_dir() else np.zeros((0, 6))
    images = np.array([f"{name}.jpg" for name in names])
    return CLASSES, Split(images, truth, boxes.astype(np.float32))
