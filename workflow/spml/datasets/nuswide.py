"""NUS-WIDE as crawled again by Cole et al. (CVPR 2021): 81 concepts, 150,000 + 60,260 images.

Their lists (formatted_{train,val}_{images,labels}.npy) define rows, columns and truth; images are
those of the folder Flickr. A fifth of the rows have no concept at all, and stay.
"""

from pathlib import Path

import numpy as np

from spml.data.labels import Split
from spml.plumbing.errors import UserError

# Concepts81.txt in its own order. The lists hold no names, so that their columns follow this order
# is an assumption; only the names beside figures and tables depend on it.
# fmt: off
CLASSES = (
    "airport", "animal", "beach", "bear", "birds", "boats", "book", "bridge", "buildings", "cars",
    "castle", "cat", "cityscape", "clouds", "computer", "coral", "cow", "dancing", "dog",
    "earthquake", "elk", "fire", "fish", "flags", "flowers", "food", "fox", "frost", "garden",
    "glacier", "grass", "harbor", "horses", "house", "lake", "leaf", "map", "military", "moon",
    "mountain", "nighttime", "ocean", "person", "plane", "plants", "police", "protest",
    "railroad", "rainbow", "reflection", "road", "rocks", "running", "sand", "sign", "sky",
    "snow", "soccer", "sports", "statue", "street", "sun", "sunset", "surf", "swimmers", "tattoo",
    "temple", "tiger", "tower", "town", "toy", "train", "tree", "valley", "vehicle", "water",
    "waterfall", "wedding", "whales", "window", "zebra",
)
# fmt: on
OFFICIAL_SPLITS = {"train": "train", "test": "val"}


def image_folder(root: Path) -> Path:
    """Folder of the images."""
    return root / "Flickr"


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not one of the lists of Cole et al. ({error})") from error


def read_split(root: Path, split: str) -> tuple[tuple[str, ...], Split]:
    """Class names and one split; there are no boxes."""
    name = OFFICIAL_SPLITS[split]
    images = _load(root / f"formatted_{name}_images.npy")
    labels = _load(root / f"formatted_{name}_labels.npy")
    if labels.shape != (len(images), len(CLASSES)) or not np.isin(labels, (0, 1)).all():
        raise UserError(
            f"{root}/formatted_{name}_labels.npy has shape {labels.shape}; zeros and ones of shape "
            f"{(len(images), len(CLASSES))} are expected"
        )
    return CLASSES, Split(images.astype(np.str_), labels == 1)
