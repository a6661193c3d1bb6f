"""What boxes say of objects; and boxes that cannot be used, without which labels are read."""

import sys
from collections.abc import Sequence

import numpy as np


def objects_of(boxes: np.ndarray, size: int) -> np.ndarray:
    """Row, class, area, and distance of the centre from the image's of each box: (M, 4) float64.

    boxes: (M, 6) as in :class:`spml.data.labels.Split`, in an image of ``size`` x ``size`` pixels.
    """
    places = boxes[:, :2].astype(np.float64)
    left, top, right, bottom = boxes[:, 2:].astype(np.float64).T
    distances = np.hypot((left + right - size) / 2, (top + bottom - size) / 2)
    return np.column_stack([places, (right - left) * (bottom - top), distances])


def tell_unusable(problems: Sequence[str]) -> None:
    """Name what has no usable boxes, the first in full; nothing where there is no problem.

    Boxes are for the pointing game alone: a defect of one is no reason to have no labels.
    """
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        print(f"left out of the boxes: {problems[0]}{more}", file=sys.stderr)
