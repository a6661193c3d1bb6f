"""Stage *localise*: the pointing game, from the selected weights of one run and the boxes.

The class activation map of class c is w_c applied to each place of the last feature map, where w_c
are the head's weights of c: its spatial mean plus the bias is the logit. For each test image and
each class that is present there and has a box, the map points at its maximum, and that is a hit if
it lies within a box of the class.

The map is interpolated bilinearly to the size of the image. Such an interpolation is highest at the
centre of the map's highest cell, which is therefore the point; from the outermost centres to the
border it stays as it is there. A point at the very edge of a box lies within it, and there is no
tolerance beyond it: the original pointing game allows 15 pixels (Zhang et al., Top-down Neural
Attention by Excitation Backprop, IJCV 2018); whether the Large Loss paper does was not found by us.
Of equally high cells the first counts, row by row. (Taking the first of the equally high pixels of
the interpolated map instead would move points of outer cells to the border, out of many boxes.)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spml.data.labels import Split, load_labels
from spml.data.matrices import dense
from spml.data.packed import Images, load_packed
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import write_json
from spml.plumbing.machine import Machine
from spml.training.devices import claim_device
from spml.training.images import Normaliser
from spml.training.loading import load_images
from spml.training.models import (
    WITHOUT_MAP,
    Classifier,
    build_classifier,
    load_backbone,
    load_weights,
)
from spml.training.precision import configure

BATCH_SIZE = 64
RESIDENT_MEGABYTES = 256


def load_run(
    settings: dict[str, Any],
    num_classes: int,
    weights: str | Path,
    backbone: str | Path | None = None,
) -> Classifier:
    """The classifier of a run with its selected weights; it must have the linear head.

    backbone: the weights that a run left out of its own, because it did not train them.
    """
    if settings["head"] != "linear":
        raise UserError(
            f"class activation maps are made with the linear head, and this run has the head "
            f"{settings['head']!r}; leave its method out of the pointing game"
        )
    classifier = build_classifier(settings["architecture"], num_classes)
    if settings["architecture"].startswith(WITHOUT_MAP):
        raise UserError(
            f"class activation maps need a map of features, and {settings['architecture']} makes a "
            "vector; leave the dataset out of the pointing game"
        )
    if backbone is not None:
        load_backbone(classifier, backbone)
    load_weights(classifier, weights, of_head=backbone is not None)
    return classifier.eval()


def activation_maps(features: torch.Tensor, head: torch.nn.Module) -> torch.Tensor:
    """Maps (B, C, h, w) of ``features`` (B, F, h, w) by a linear head, without its bias."""
    return torch.einsum("bfhw,cf->bchw", features, head.get_parameter("weight"))


def peak_cells(
    classifier: Classifier,
    images: Images,
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    mean: list[float],
    deviation: list[float],
    device: torch.device,
) -> tuple[np.ndarray, tuple[int, int]]:
    """The highest cell of the map of class ``columns[i]`` on image ``rows[i]``, for each i.

    images: (N, H, W, channels) uint8. rows: (P,) int64, sorted. columns: (P,) int64.
    Returns (P, 2) int64, each cell's row and column, and the map's height and width.
    """
    classifier = classifier.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalise = Normaliser(mean, deviation, device)
    loaded = load_images(images, device, resident_megabytes=RESIDENT_MEGABYTES, workers=None)
    wanted, place = np.unique(rows, return_inverse=True)
    parts = np.array_split(wanted, max(1, -(-len(wanted) // BATCH_SIZE)))
    sizes = [len(part) for part in parts]
    starts = np.searchsorted(place, np.cumsum([0, *sizes]))
    cells, size = [], (1, 1)
    with torch.no_grad():
        for number, batch in enumerate(loaded.batches(wanted, sizes)):
            pairs = slice(starts[number], starts[number + 1])
            inputs = normalise(batch.permute(0, 3, 1, 2))
            maps = activation_maps(classifier.backbone(inputs), classifier.head)
            size = (maps.shape[2], maps.shape[3])
            row = torch.from_numpy(place[pairs] - sum(sizes[:number])).to(device)
            column = torch.from_numpy(columns[pairs]).to(device)
            cells.append(maps[row, column].flatten(1).argmax(dim=1))
    highest = torch.cat(cells).cpu().numpy() if cells else np.zeros(0, dtype=np.int64)
    return np.stack(np.divmod(highest, size[1]), axis=1), size


def find_hits(points: np.ndarray, pairs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which points lie within a box of their own pair, edges included.

    points: (P, 2) float, x and y in pixels. pairs: (M,) int64, the point that each box is for.
    boxes: (M, 4) float, left, top, right, bottom in pixels. Returns (P,) bool.
    """
    x, y = points[pairs].T
    left, top, right, bottom = boxes.T
    within = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    return np.bincount(pairs[within], minlength=len(points)) > 0


def play(classifier: Classifier, images: Images, split: Split, **inputs: Any) -> dict[str, Any]:
    """Hits and pairs of an image and a class, in all, of each class and of each image.

    Accuracies are in percent; a class without a pair has none (null). inputs: as
    :func:`peak_cells` takes them.
    """
    boxes = split.boxes
    row, column = boxes[:, 0].astype(np.int64), boxes[:, 1].astype(np.int64)
    present = dense(split.truth[row])[np.arange(len(row)), column]
    boxes, row, column = boxes[present], row[present], column[present]
    classes = split.truth.shape[1]
    keys, pair = np.unique(row * classes + column, return_inverse=True)
    rows, columns = np.divmod(keys, classes)
    cells, (height, width) = peak_cells(classifier, images, rows, columns, **inputs)
    scale = np.array([images.shape[1] / height, images.shape[2] / width])
    points = ((cells + 0.5) * scale)[:, ::-1]
    hit = find_hits(points, pair, boxes[:, 2:])
    hits = np.bincount(columns[hit], minlength=classes)
    pairs = np.bincount(columns, minlength=classes)
    accuracies = [
        100.0 * hit / pair if pair else None
        for hit, pair in zip(hits.tolist(), pairs.tolist(), strict=True)
    ]
    known = [value for value in accuracies if value is not None]
    return {
        "hits": int(hits.sum()),
        "pairs": int(pairs.sum()),
        "accuracy": 100.0 * int(hits.sum()) / int(pairs.sum()),
        "class_mean": sum(known) / len(known),
        "class_hits": hits.tolist(),
        "class_pairs": pairs.tolist(),
        "class_accuracy": accuracies,
        "image_hits": np.bincount(rows[hit], minlength=len(split.images)).tolist(),
        "image_pairs": np.bincount(rows, minlength=len(split.images)).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.localise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="see the rule")
    parser.add_argument("--weights", required=True, help="weights.pt of the run")
    parser.add_argument("--backbone", help="state dict of a backbone that the run did not train")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--images", required=True, help="manifest of the packed images (.json)")
    parser.add_argument(
        "--machine", type=json.loads, default={}, help="how to use this computer, as JSON"
    )
    parser.add_argument("--output", required=True, help="the pointing.json to write")
    arguments = parser.parse_args()
    settings = arguments.settings
    torch.set_num_threads(settings["threads"])
    labels = load_labels(arguments.labels)
    if not len(labels.test.boxes):
        raise UserError(
            f"{arguments.labels} holds no boxes of test images, and the pointing game needs them; "
            "leave the dataset out of it"
        )
    claim = claim_device(settings["device"], Machine(**arguments.machine).runs_per_gpu)
    configure("fp32", deterministic=False, device=claim.device)
    classifier = load_run(settings, len(labels.classes), arguments.weights, arguments.backbone)
    result = play(
        classifier,
        load_packed(arguments.images).test,
        labels.test,
        mean=settings["images"]["mean"],
        deviation=settings["images"]["deviation"],
        device=claim.device,
    )
    write_json(arguments.output, result)
    print(f"{result['hits']} of {result['pairs']} points within a box: {result['accuracy']:.1f} %")


if __name__ == "__main__":
    run_command(main)
