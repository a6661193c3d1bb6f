"""Stage *illustrate*: some pictures of a dataset, with the labels that training sees and those that
it does not.

A file of its own, so that the report needs no packed images once it is there: who has deleted them
would have them, and all runs after them, made again for a page.
"""

import argparse
import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spml.data.labels import Labels, load_labels
from spml.data.matrices import dense
from spml.data.observation import Observation, load_observation
from spml.data.packed import Images, load_packed
from spml.plumbing.errors import run_command
from spml.plumbing.files import write_json

COUNT = 4
LARGEST = 224  # pixels, of the longer side
SMALL = 64  # pixels: pictures up to this size are enlarged without smoothing, and stay exact
LISTED = 4  # hidden labels that are named


def _encode(pixels: np.ndarray) -> tuple[str, bool]:
    """A picture (height, width, 1 or 3) uint8 as a ``data:`` address, and whether it is small."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = max(image.size) <= SMALL
    image.thumbnail((LARGEST, LARGEST))
    kind, options = ("png", {"optimize": True}) if small else ("jpeg", {"quality": 82})
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", small


def illustrate(labels: Labels, seen: Observation, images: Images) -> list[dict[str, Any]]:
    """The first pictures of the training rows with a present label that is not observed.

    images: of the official training split, (N, height, width, channels) uint8. Of each picture:
    ``address``, which holds it whole; whether it is ``small``; the names of its ``seen`` and
    ``hidden`` labels, and how many ``others`` are hidden.
    """
    found: list[dict[str, Any]] = []
    for row in seen.train.tolist():
        truth = dense(labels.train.truth[[row]])[0]
        observed = dense(seen.observed[[row]])[0]
        hidden = [labels.classes[place] for place in np.flatnonzero(truth & (observed == 0))]
        if hidden:
            address, small = _encode(np.asarray(images[np.array([row])])[0])
            shown = [labels.classes[place] for place in np.flatnonzero(observed == 1)]
            found.append(
                {
                    "address": address,
                    "small": small,
                    "seen": shown,
                    "hidden": hidden[:LISTED],
                    "others": max(0, len(hidden) - LISTED),
                }
            )
        if len(found) == COUNT:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.illustrate", description=__doc__)
    parser.add_argument("--labels", required=True, type=Path, help="labels.npz of the dataset")
    parser.add_argument("--observed", required=True, type=Path, help="the observed labels")
    parser.add_argument("--images", required=True, type=Path, help="manifest of its images")
    parser.add_argument("--output", required=True, type=Path, help="the .json to write")
    arguments = parser.parse_args()
    pictures = illustrate(
        load_labels(arguments.labels),
        load_observation(arguments.observed),
        load_packed(arguments.images).train,
    )
    write_json(arguments.output, pictures)


if __name__ == "__main__":
    run_command(main)
