"""Some pictures of a dataset, with the labels that training sees and those that it does not."""

import base64
import io
from typing import NamedTuple

import numpy as np

from spml.data.labels import load_labels
from spml.data.matrices import dense
from spml.data.observation import load_observation
from spml.data.packed import load_packed
from spml.plumbing.addresses import labels_path, observed_path, packed_path

COUNT = 4
LARGEST = 224  # pixels, of the longer side
SMALL = 64  # pixels: pictures up to this size are enlarged without smoothing, and stay exact
LISTED = 4  # hidden labels that are named


class Sample(NamedTuple):
    """A picture as an address that holds it whole; which labels are seen, and which are hidden."""

    address: str
    small: bool
    seen: list[str]
    hidden: list[str]
    others: int


def _encode(pixels: np.ndarray) -> tuple[str, bool]:
    """A picture (height, width, 1 or 3) uint8 as a ``data:`` address, and whether it is small."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = max(image.size) <= SMALL
    image.thumbnail((LARGEST, LARGEST))
    kind, options = ("png", {"optimize": True}) if small else ("jpeg", {"quality": 82})
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", small


def read_samples(dataset: str, protocol: str, observation: str) -> list[Sample]:
    """The first pictures of the training rows with a present label that is not observed."""
    labels = load_labels(labels_path(dataset))
    seen = load_observation(observed_path(dataset, protocol, observation))
    found: list[Sample] = []
    images = load_packed(packed_path(dataset)).train
    for row in seen.train.tolist():
        truth = dense(labels.train.truth[[row]])[0]
        observed = dense(seen.observed[[row]])[0]
        hidden = [labels.classes[place] for place in np.flatnonzero(truth & (observed == 0))]
        if hidden:
            address, small = _encode(np.asarray(images[np.array([row])])[0])
            shown = [labels.classes[place] for place in np.flatnonzero(observed == 1)]
            found.append(
                Sample(address, small, shown, hidden[:LISTED], max(0, len(hidden) - LISTED))
            )
        if len(found) == COUNT:
            break
    return found
