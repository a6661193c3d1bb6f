"""Boxes that cannot be used: labels are read without them, and somebody is told."""

import sys
from collections.abc import Sequence


def tell_unusable(problems: Sequence[str]) -> None:
    """Name what has no usable boxes, the first in full; nothing where there is no problem.

    Boxes are for the pointing game alone: a defect of one is no reason to have no labels.
    """
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        print(f"left out of the boxes: {problems[0]}{more}", file=sys.stderr)
