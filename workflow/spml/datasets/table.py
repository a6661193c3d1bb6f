"""Images of your own: a folder with ``train.csv`` and ``test.csv``, a row an image.

The first column, ``image``, is the path of an image relative to the folder; every other one is a
class: 1 present, 0 absent, an empty cell where nobody looked, which counts neither as
present nor as absent. ``validation.csv``, where there is one, is its own validation split;
otherwise the protocol divides the rows of ``train.csv``. ``observed.csv``, where there is one, has
the labels that training may see, in the same columns and a row for each image of ``train.csv`` and,
if you like, of ``validation.csv``: 1 and 0 as above, empty where nothing is seen. They must agree
with the truth, since what is unobserved is told apart by it. An observation with ``given: true``
shows them. Rows keep their order. Images are read as viewers show them: turned by their EXIF
orientation, and on white where they are transparent.
"""

import csv
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from spml.data.labels import Split
from spml.plumbing.errors import UserError

TABLES = {"train": "train.csv", "test": "test.csv"}
VALIDATION = "validation.csv"
OBSERVED = "observed.csv"
AS_VIEWED = True
# What may stand in a cell; pandas writes whole numbers beside empty cells as 1.0.
CELLS = {"1": "1", "1.0": "1", "0": "0", "0.0": "0", "": ""}


def image_folder(root: Path) -> Path:
    """Folder of the images: that of the tables."""
    return root


def _read_table(path: Path) -> pd.DataFrame:
    """The table as text, indexed by image, its columns and cells checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            numbered = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise UserError(f"there is no {path}") from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a table (.csv): {error}") from error
    names = [name.strip() for name in numbered[0][1]] if numbered else [""]
    if names[0] != "image" or len(names) < 2:
        found = ", ".join(map(repr, names[:5]))
        hint = "; columns are separated by commas, not semicolons" if ";" in names[0] else ""
        raise UserError(
            f"{path}: the first column must be 'image' and each other one a class; found "
            f"{found}{hint}"
        )
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{path}: column {number} has no name")
        if not name.isprintable():
            raise UserError(f"{path}: column {number} is called {name!r}, which is not one line")
        if names.count(name) > 1:
            raise UserError(f"{path}: {name!r} heads two columns")
    rows = numbered[1:]
    if not rows:
        raise UserError(f"{path} has no rows")
    for number, row in rows:
        if len(row) != len(names):
            raise UserError(
                f"{path}, line {number} has {len(row)} cells; its header has {len(names)}"
            )
        for name, cell in zip(names[1:], row[1:], strict=True):
            if cell.strip() not in CELLS:
                raise UserError(
                    f"{path}, line {number}: {name} is {cell!r}; "
                    "allowed: 1 (present), 0 (absent) or nothing (not annotated)"
                )
    images = [_image(path, number, row[0].strip()) for number, row in rows]
    seen = set()
    for (number, _), name in zip(rows, images, strict=True):
        if name in seen:
            raise UserError(f"{path}, line {number}: {name!r} stands in an earlier line too")
        seen.add(name)
    cells = [[CELLS[cell.strip()] for cell in row[1:]] for _, row in rows]
    return pd.DataFrame(cells, index=images, columns=names[1:])


def _image(path: Path, number: int, name: str) -> str:
    """The path of an image as it is stored: ``./photos//x`` is ``photos/x``."""
    image = PurePosixPath(name)
    if not name or image.is_absolute() or ".." in image.parts or not name.isprintable():
        raise UserError(
            f"{path}, line {number}: image is {name!r}; a path below {path.parent} is expected"
        )
    if "\\" in name and not (path.parent / image).exists():
        raise UserError(
            f"{path}, line {number}: image is {name!r}; folders are separated by /, not by \\"
        )
    return str(image)


def _read_observed(root: Path, table: pd.DataFrame, needed: pd.Index) -> np.ndarray | None:
    """The labels that training may see: (N, C) int8 in {-1, 0, 1}; None where there is no table.

    needed: the images that have to be there; others of ``table`` may be.
    """
    path = root / OBSERVED
    if not path.exists():
        return None
    seen = _read_table(path)
    if list(seen.columns) != list(table.columns):
        raise UserError(f"{path} and {TABLES['train']} have different columns")
    for image in seen.index.difference(table.index)[:1]:
        raise UserError(f"{path}: {image!r} is no training or validation image")
    for image in needed.difference(seen.index)[:1]:
        raise UserError(f"{path} has no row of {image!r}, which is in {TABLES['train']}")
    cells = seen.reindex(table.index, fill_value="").to_numpy(dtype=np.str_)
    truth = table.to_numpy(dtype=np.str_)
    for row, column in np.argwhere((cells != "") & (cells != truth))[:1]:
        raise UserError(
            f"{path}: {table.columns[column]} of {table.index[row]!r} is {cells[row, column]}, but "
            f"{truth[row, column] or 'nothing'} in the truth; observed labels have to agree "
            "with it"
        )
    return (cells == "1").astype(np.int8) - (cells == "0")


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; truth is sparse where some cells are empty. There are no boxes."""
    table = _read_table(root / TABLES[split])
    validation, observed, needed = 0, None, table.index
    if split == "train" and (root / VALIDATION).exists():
        own = _read_table(root / VALIDATION)
        if list(own.columns) != list(table.columns):
            raise UserError(f"{root / VALIDATION} and {TABLES[split]} have different columns")
        for image in own.index.intersection(table.index)[:1]:
            raise UserError(f"{root}: {image!r} is in {TABLES[split]} and in {VALIDATION}")
        table, validation = pd.concat([table, own]), len(own)
    if split == "train":
        observed = _read_observed(root, table, needed)
    if split == "test":
        for other in (TABLES["train"], VALIDATION):
            seen = _read_table(root / other).index if (root / other).exists() else []
            for image in table.index.intersection(seen)[:1]:
                raise UserError(f"{root}: {image!r} is in {other} and in {TABLES['test']}")
    cells = table.to_numpy(dtype=np.str_)
    if not (cells == "1").any():
        raise UserError(f"{root / TABLES[split]} has no 1: nothing is present in any image")
    images = table.index.to_numpy(dtype=np.str_)
    classes = tuple(map(str, table.columns))
    truth = cells == "1"
    annotated = cells != ""
    if annotated.all():
        return classes, Split(images, truth, validation=validation, observed=observed)
    return classes, Split(
        images,
        csr_array(truth),
        annotated=csr_array(annotated),
        validation=validation,
        observed=None if observed is None else csr_array(observed),
    )
