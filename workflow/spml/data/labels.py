"""The labels of a dataset: class names, image paths, truth and boxes of each official split."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spml.data.matrices import Matrix, matrix_arrays, read_matrix
from spml.plumbing.arrays import open_arrays
from spml.plumbing.files import atomic_path

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SPLITS = ("train", "test")


def _no_boxes() -> np.ndarray:
    return np.zeros((0, 6), dtype=np.float32)


@dataclass(frozen=True)
class Split:
    """One official split with N images and C classes.

    images: (N,) str or ASCII bytes, paths relative to the dataset's image root, in row order.
    truth: (N, C) bool, True where the class is present; sparse where ``annotated`` is given.
    boxes: (M, 6) float32, columns row, class, left, top, right, bottom in pixels of the packed
        image; empty where the dataset has no boxes.
    objects: (M, 4) float64, columns row, class, area, and distance of the box's centre from the
        image's, both in pixels; None where the dataset has no boxes.
    observed: (N, C) int8 in {-1, 0, 1}, labels that the dataset itself says may be seen, sparse
        where ``truth`` is; None where it says nothing of the kind and they are drawn.
    annotated: (N, C) sparse bool, True where somebody looked whether the class is present; None
        where everything is annotated. What is not annotated counts neither as present nor absent.
    validation: how many of the last rows are the dataset's own validation split; 0 where it has
        none and the protocol divides the rows at random.
    """

    images: np.ndarray
    truth: Matrix
    boxes: np.ndarray = field(default_factory=_no_boxes)
    annotated: "csr_array | None" = None
    validation: int = 0
    objects: np.ndarray | None = None
    observed: Matrix | None = None

    def __post_init__(self) -> None:
        if self.truth.ndim != 2 or self.truth.dtype != np.bool_:
            raise ValueError(f"truth must be a two-dimensional bool array, not {self.truth.dtype}")
        if len(self.images) != self.truth.shape[0]:
            raise ValueError(f"{len(self.images)} images but {self.truth.shape[0]} rows of truth")
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 6:
            raise ValueError(f"boxes must have shape (M, 6), not {self.boxes.shape}")
        if self.observed is not None and self.observed.shape != self.truth.shape:
            raise ValueError(f"observed {self.observed.shape} but truth {self.truth.shape}")
        if self.annotated is not None and self.annotated.shape != self.truth.shape:
            raise ValueError(f"annotated {self.annotated.shape} but truth {self.truth.shape}")

    def paths(self) -> list[str]:
        """Image paths as text."""
        return [p.decode() if isinstance(p, bytes) else str(p) for p in self.images.tolist()]


@dataclass(frozen=True)
class Labels:
    """The classes of a dataset and its two official splits; ``test`` is the papers' test set."""

    classes: tuple[str, ...]
    train: Split
    test: Split

    def __post_init__(self) -> None:
        for name in SPLITS:
            width = getattr(self, name).truth.shape[1]
            if width != len(self.classes):
                raise ValueError(f"{name} truth has {width} columns, {len(self.classes)} classes")


def save_labels(path: str | Path, labels: Labels) -> None:
    """Write ``labels`` as one compressed ``.npz`` without pickled objects."""
    arrays = {"classes": np.array(labels.classes, dtype=np.str_)}
    for name in SPLITS:
        split: Split = getattr(labels, name)
        arrays[f"{name}_images"] = split.images
        arrays.update(matrix_arrays(f"{name}_truth", split.truth))
        arrays[f"{name}_boxes"] = split.boxes
        if split.annotated is not None:
            arrays.update(matrix_arrays(f"{name}_annotated", split.annotated))
        if split.observed is not None:
            arrays.update(matrix_arrays(f"{name}_observed", split.observed))
        if split.objects is not None:
            arrays[f"{name}_objects"] = split.objects
        arrays[f"{name}_validation"] = np.array(split.validation)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]


def load_labels(path: str | Path) -> Labels:
    """Read what :func:`save_labels` wrote."""
    with open_arrays(path) as arrays:
        splits = {
            name: Split(
                images=arrays[f"{name}_images"],
                truth=read_matrix(arrays, f"{name}_truth"),
                boxes=arrays[f"{name}_boxes"],
                annotated=read_matrix(arrays, f"{name}_annotated"),
                validation=int(arrays[f"{name}_validation"]),
                objects=read_matrix(arrays, f"{name}_objects"),
                observed=read_matrix(arrays, f"{name}_observed"),
            )
            for name in SPLITS
        }
        classes = tuple(str(name) for name in arrays["classes"])
    return Labels(classes=classes, **splits)
