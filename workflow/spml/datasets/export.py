"""Write the arrays of the original code base, byte for byte as its own scripts write them.

formatted_{train,val}_images.npy        (N,) str, paths relative to the image folder
formatted_{train,val}_labels.npy        (N, C) 0 or 1
formatted_{train,val}_labels_obs.npy    (N, C) 1 for the one observed positive, 0 elsewhere

``val`` is the official validation or test split, which the papers test on. The positives of each
split are drawn with a fresh RandomState(1200).
"""

import argparse
from pathlib import Path

import numpy as np

from spml.data.drawing import draw_observed
from spml.datasets import SHORT_NAMES, dataset_module
from spml.plumbing.errors import run_command
from spml.plumbing.files import atomic_path

# The scripts of Cole et al. fill zeros of NumPy's default type, but for CUB lists of integers.
TYPES = {"voc2012": np.float64, "coco2014": np.float64, "nuswide": np.float64, "cub": np.int64}
SEED = 1200


def _save(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, array)


def export(name: str, raw: Path, out: Path, split: str) -> None:
    """Write the three arrays of one split, ``train`` or ``val``, into ``out``."""
    _, labels = dataset_module(name).read_split(raw, {"train": "train", "val": "test"}[split])
    observed = draw_observed(labels.truth, positives=1, negatives=0, seed=SEED)
    _save(out / f"formatted_{split}_images.npy", labels.images)
    _save(out / f"formatted_{split}_labels.npy", labels.truth.astype(TYPES[name]))
    _save(out / f"formatted_{split}_labels_obs.npy", observed.astype(TYPES[name]))
    print(f"{out}: {len(labels.images)} images, {int(labels.truth.sum())} labels in {split}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.datasets.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [name for name in [*SHORT_NAMES, *TYPES] if SHORT_NAMES.get(name, name) in TYPES]
    parser.add_argument("--dataset", required=True, choices=names)
    parser.add_argument("--raw", required=True, type=Path, help="folder of the official tree")
    parser.add_argument("--out", required=True, type=Path, help="folder of the arrays")
    parser.add_argument(
        "--split", choices=("train", "val"), action="append", help="only this split (both)"
    )
    arguments = parser.parse_args()
    name = SHORT_NAMES.get(arguments.dataset, arguments.dataset)
    for split in arguments.split or ("train", "val"):
        export(name, arguments.raw, arguments.out, split)


if __name__ == "__main__":
    run_command(main)
