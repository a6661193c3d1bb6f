"""Stages *format* and *pack* of the embedded dataset, which is composed, not downloaded."""

import argparse
import json

from spml.data.labels import save_labels
from spml.data.packed import save_packed
from spml.datasets import digits
from spml.plumbing.errors import run_command
from spml.plumbing.exclusive import exclusive


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.compose", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="compose's arguments")
    parser.add_argument("--labels", required=True, help="the labels .npz to write")
    parser.add_argument("--manifest", required=True, help="the manifest of packed images to write")
    arguments = parser.parse_args()
    images, labels = digits.compose(**arguments.settings)
    with exclusive(arguments.manifest):
        save_packed(arguments.manifest, images)
    save_labels(arguments.labels, labels)
    for name, split in (("training", labels.train), ("test", labels.test)):
        print(
            f"{len(split.truth)} {name} pictures, "
            f"{split.truth.sum(axis=1).mean():.3f} positives a picture"
        )


if __name__ == "__main__":
    run_command(main)
