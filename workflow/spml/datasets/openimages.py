"""Open Images V3: 5,000 trainable classes, human-verified labels of a small part of the entries.

A human-verified label says that a class is present (confidence 1) or absent (0); of most entries
nothing is known. Labels of machines, with fractions as confidence, are another annotation. Rows are
the images with at least one human-verified label of a trainable class, sorted by image number;
``train`` holds the official training rows and then the official validation rows. Where annotators
disagree about an entry, present wins.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, vstack
from tqdm import tqdm

from spml.data.labels import Split
from spml.datasets.tree import find
from spml.plumbing.errors import UserError

# Rows of train that the annotations are read by: 21 million of them in a fixed amount of memory.
CHUNK = 1_000_000
OFFICIAL_SPLITS = {"train": ("train", "validation"), "test": ("test",)}


def image_folder(root: Path) -> Path:
    """Folder of the images: <split>/<image number>.jpg, the layout of the public bucket."""
    return root / "images"


def _classes(tree: Path) -> tuple[list[str], tuple[str, ...]]:
    """Codes of the trainable classes in the order of their file, and their names."""
    listing = find(tree, "classes-trainable.txt")
    codes = listing.read_text(encoding="ascii").split()
    for code in sorted({code for code in codes if codes.count(code) > 1})[:1]:
        raise UserError(f"{listing} lists the class {code} twice")
    path = find(tree, "class-descriptions.csv")
    try:
        described = pd.read_csv(
            path, header=None, names=["code", "name"], dtype=str, keep_default_na=False
        ).set_index("code")["name"]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a table of codes and names ({error})") from error
    for code in described.index[described.index.duplicated()][:1]:
        raise UserError(f"{path} describes the class {code} twice")
    # Some names occur twice; the code tells them apart.
    names = [str(described.get(code, code)) for code in codes]
    repeated = {name for name, count in pd.Series(names).value_counts().items() if count > 1}
    return codes, tuple(
        f"{name} ({code})" if name in repeated else name
        for code, name in zip(codes, names, strict=True)
    )


def _read_annotations(path: Path, codes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Image number (M,) uint64 of each annotation, and class * 2 + presence (M,) int16."""
    columns = {code: column for column, code in enumerate(codes)}
    images, entries = [], []
    try:
        reader = pd.read_csv(
            path,
            usecols=["ImageID", "LabelName", "Confidence"],
            dtype={"ImageID": "str", "LabelName": "category", "Confidence": "float64"},
            chunksize=CHUNK,
            skip_blank_lines=False,  # so that the index counts lines
            keep_default_na=False,
            na_values={"Confidence": [""], "LabelName": [""], "ImageID": [""]},
        )
        for chunk in tqdm(reader, desc=str(path), unit=" million rows", mininterval=1):
            chunk = chunk.dropna(how="all")
            _check_rows(path, chunk)
            names = chunk["LabelName"].cat
            column = np.array([columns.get(code, -1) for code in names.categories])[names.codes]
            kept = column >= 0
            numbers = chunk["ImageID"].to_numpy()[kept]
            images.append(np.fromiter((int(n, 16) for n in numbers), np.uint64, len(numbers)))
            present = chunk["Confidence"].to_numpy()[kept] == 1
            entries.append((column[kept] * 2 + present).astype(np.int16))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not an annotation file of Open Images V3 ({error})") from error
    return np.concatenate(images), np.concatenate(entries)


def _check_rows(path: Path, rows: pd.DataFrame) -> None:
    """Refuse a row without image or class, and one that does not say present or absent."""
    incomplete = rows["ImageID"].isna() | rows["LabelName"].isna()
    wrong = incomplete | ~rows["Confidence"].isin([0, 1])
    for line, row in rows[wrong][:1].iterrows():
        raise UserError(
            f"{path}, line {line + 2}: image {row['ImageID']}, class {row['LabelName']}, "
            f"confidence {row['Confidence']}; human-verified labels name both and have confidence "
            "1 (present) or 0 (absent)"
        )


def _read_official(
    tree: Path, name: str, codes: list[str]
) -> tuple[np.ndarray, csr_array, csr_array]:
    """Image paths (N,) bytes, and truth and annotated entries (N, classes) of an official split."""
    numbers, entries = _read_annotations(find(tree, f"{name}/annotations-human.csv"), codes)
    # Sorted by image, class and presence: the last of equal entries says present if any does.
    order = np.lexsort((entries, numbers))
    numbers, entries = numbers[order], entries[order]
    del order
    last = np.ones(len(entries), dtype=np.bool_)
    last[:-1] = (numbers[1:] != numbers[:-1]) | (entries[1:] >> 1 != entries[:-1] >> 1)
    numbers, entries = numbers[last], entries[last]
    images, counts = np.unique(numbers, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    shape = (len(images), len(codes))
    annotated = csr_array(
        (np.ones(len(entries), dtype=np.bool_), (entries >> 1).astype(np.int32), ends), shape=shape
    )
    truth = csr_array(((entries & 1).astype(np.bool_), annotated.indices, ends), shape=shape)
    truth = truth.copy()
    truth.eliminate_zeros()
    paths = np.array([f"{name}/{number:016x}.jpg".encode() for number in images.tolist()])
    return paths, truth, annotated


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split, with sparse truth; there are no boxes."""
    tree = find(root, "2017_11/classes-trainable.txt", "classes-trainable.txt").parent
    codes, names = _classes(tree)
    parts = [_read_official(tree, name, codes) for name in OFFICIAL_SPLITS[split]]
    paths, truth, annotated = parts[0]
    if len(parts) == 1:
        return names, Split(paths, truth, annotated=annotated)
    return names, Split(
        np.concatenate([part[0] for part in parts]),
        vstack([part[1] for part in parts], format="csr"),
        annotated=vstack([part[2] for part in parts], format="csr"),
        validation=len(parts[1][0]),
    )
