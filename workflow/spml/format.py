"""Stage *format*: from the official annotation of a dataset to its labels.

What is known of the official splits (images, positives, images a class) is checked, so that a
wrong or incomplete tree is found here and not in a table.
"""

import argparse
import json
from pathlib import Path

from spml.data.labels import SPLITS, save_labels
from spml.datasets import dataset_module
from spml.datasets.reading import check_counts, counts, read_class_counts, read_labels
from spml.plumbing.errors import run_command


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.format", description=__doc__)
    parser.add_argument("--dataset", required=True, help="module of spml.datasets")
    parser.add_argument("--raw", required=True, type=Path, help="folder of the official tree")
    parser.add_argument("--size", type=int, default=448, help="pixels that boxes are given in")
    parser.add_argument(
        "--expected", type=json.loads, default={}, help="known counts a split, as JSON"
    )
    parser.add_argument("--name", help="name of the dataset in the table of class counts")
    parser.add_argument("--class-counts", help="table of known images a class (.tsv)")
    parser.add_argument("--output", required=True, type=Path, help="the labels .npz to write")
    arguments = parser.parse_args()
    labels = read_labels(dataset_module(arguments.dataset), arguments.raw, arguments.size)
    known = {}
    if arguments.class_counts is not None:
        known = read_class_counts(arguments.class_counts, arguments.name or arguments.dataset)
    check_counts(labels, arguments.expected, known)
    save_labels(arguments.output, labels)
    for name in SPLITS:
        found = counts(getattr(labels, name))
        print(
            f"{name}: "
            + ", ".join(f"{number} {key}" for key, number in found.items())
            + f", {found['positives'] / found['images']:.4f} positives an image"
        )


if __name__ == "__main__":
    run_command(main)
