"""The embedded dataset: multi-label pictures composed from real handwritten digits.

Source scans are scikit-learn's ``load_digits`` (1,797 scans of 8 x 8 pixels, 17 grey levels; UCI
Optical Recognition of Handwritten Digits, CC BY 4.0). The scans are divided into a training and a
test part before anything is composed, so that no scan is seen in both. A picture is a noisy canvas
with a few scans placed on it; its label is the set of digits present.
"""

from dataclasses import dataclass
from importlib.metadata import distribution

import numpy as np

from spml.data.labels import Labels, Split
from spml.datasets.boxes import objects_of

CLASSES = tuple(str(digit) for digit in range(10))
SCANS = "sklearn/datasets/data/digits.csv.gz"
SCAN_SIZE = 8
MAXIMUM_OVERLAP = 0.25
PLACEMENT_ATTEMPTS = 50


@dataclass(frozen=True)
class Scans:
    """Single digits: images (N, 8, 8) float64 in [0, 1] and labels (N,) int64 in 0..9."""

    images: np.ndarray
    labels: np.ndarray


def load_scans(*, test_fraction: float, seed: int) -> tuple[Scans, Scans]:
    """Return the source scans as disjoint training and test parts, divided at random."""
    # What load_digits reads. To import scikit-learn takes longer than all that is done with it.
    file = str(distribution("scikit-learn").locate_file(SCANS))
    source = np.loadtxt(file, delimiter=",")
    images = source[:, :-1].reshape(-1, SCAN_SIZE, SCAN_SIZE) / 16.0
    labels = source[:, -1].astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    count = round(test_fraction * len(images))
    test, train = order[:count], order[count:]
    return (
        Scans(images[train], labels[train]),
        Scans(images[test], labels[test]),
    )


def _overlap(box: tuple[int, int, int, int], others: list[tuple[int, int, int, int]]) -> float:
    """Largest share of ``box``'s area that one of the other (equally large) boxes covers."""
    left, top, right, bottom = box
    shares = [
        max(0, min(right, r) - max(left, x)) * max(0, min(bottom, b) - max(top, y))
        for x, y, r, b in others
    ]
    return max(shares, default=0) / ((right - left) * (bottom - top))


def _place(
    random: np.random.Generator, size: int, others: list[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """Draw a place for one scan; crowded canvases take the last draw rather than none."""
    for _ in range(PLACEMENT_ATTEMPTS):
        left, top = (int(value) for value in random.integers(0, size - SCAN_SIZE + 1, size=2))
        box = (left, top, left + SCAN_SIZE, top + SCAN_SIZE)
        if _overlap(box, others) <= MAXIMUM_OVERLAP:
            break
    return box


def compose_split(
    scans: Scans,
    *,
    pictures: int,
    size: int,
    digits: tuple[int, int],
    noise: float,
    random: np.random.Generator,
    name: str,
) -> tuple[np.ndarray, Split]:
    """Compose ``pictures`` canvases from ``scans``.

    digits: smallest and largest number of scans on a picture, drawn uniformly.
    noise: standard deviation of the canvas noise, as a share of the full grey scale.

    Returns the pictures, (pictures, size, size, 1) uint8, and their labels. A class drawn twice
    counts once, so the mean number of positives is a little below the mean number of scans.
    """
    by_class = [np.flatnonzero(scans.labels == label) for label in range(len(CLASSES))]
    images = np.empty((pictures, size, size, 1), dtype=np.uint8)
    truth = np.zeros((pictures, len(CLASSES)), dtype=np.bool_)
    boxes = []
    for row in range(pictures):
        canvas = np.zeros((size, size))
        placed: list[tuple[int, int, int, int]] = []
        for _ in range(random.integers(digits[0], digits[1] + 1)):
            label = int(random.integers(len(CLASSES)))
            scan = scans.images[random.choice(by_class[label])]
            left, top, right, bottom = box = _place(random, size, placed)
            contrast = random.uniform(0.5, 1.0)
            patch = canvas[top:bottom, left:right]
            np.maximum(patch, contrast * scan, out=patch)
            placed.append(box)
            truth[row, label] = True
            boxes.append((row, label, *box))
        canvas += random.normal(0.0, noise, canvas.shape)
        images[row, :, :, 0] = np.round(255 * canvas.clip(0.0, 1.0)).astype(np.uint8)
    paths = np.array([f"{name}/{row:05d}" for row in range(pictures)])
    placed_boxes = np.array(boxes, dtype=np.float32)
    return images, Split(
        images=paths, truth=truth, boxes=placed_boxes, objects=objects_of(placed_boxes, size)
    )


def compose(
    *,
    train: int,
    test: int,
    size: int,
    digits: tuple[int, int],
    noise: float,
    test_scans: float,
    seed: int,
) -> tuple[dict[str, np.ndarray], Labels]:
    """Compose both official splits; the same arguments give the same bytes.

    train, test: numbers of pictures. test_scans: share of the source scans kept for the test split.
    Returns the pictures of each split and the labels.
    """
    scans = dict(
        zip(("train", "test"), load_scans(test_fraction=test_scans, seed=seed), strict=True)
    )
    images, splits = {}, {}
    for stream, (name, pictures) in enumerate((("train", train), ("test", test))):
        images[name], splits[name] = compose_split(
            scans[name],
            pictures=pictures,
            size=size,
            digits=digits,
            noise=noise,
            random=np.random.default_rng([seed, stream]),
            name=name,
        )
    return images, Labels(classes=CLASSES, train=splits["train"], test=splits["test"])
