"""Learning curves as points of small SVG drawings, whose colours follow the page's.

Drawn by hand because a page for each of fifty methods must not take a minute, and because colours
of a picture file would not follow the reader's choice of light or dark.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 10, 36


class Tick(NamedTuple):
    """A place in the drawing and the number there."""

    place: float
    text: str


class Drawing(NamedTuple):
    """Points are SVG's ``x,y x,y``; band: the outline between lowest and highest run."""

    line: str
    band: str
    others: list[str]
    across: list[Tick]
    up: list[Tick]
    description: str


def _summary(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """Mean, lowest and highest value after each epoch, (3, E), of the runs that got that far."""
    columns = [
        [curve[epoch] for curve in curves if epoch < len(curve)]
        for epoch in range(max(map(len, curves)))
    ]
    return np.array([[np.mean(c), min(c), max(c)] for c in columns]).T


def _ticks(lowest: float, highest: float, integer: bool = False) -> list[float]:
    found = MaxNLocator(5, integer=integer, steps=[1, 2, 5, 10]).tick_values(lowest, highest)
    return [float(value) for value in found if lowest <= value <= highest]


def draw(own: Sequence[Sequence[float]], others: Sequence[Sequence[Sequence[float]]]) -> Drawing:
    """One method's runs against the means of the other methods; values in percent by epoch.

    The axis covers this method and all others but the lowest tenth, so that one that failed does
    not flatten the rest; what falls below is cut off.
    """
    mean, low, high = _summary(own)
    means = [_summary(curves)[0] for curves in others]
    rest = np.concatenate(means) if means else mean
    bottom = min(low.min(), float(np.percentile(rest, 10))) - 1
    top = max(high.max(), rest.max()) + 1
    epochs = max(map(len, [mean, *means]))

    def across(epoch: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(1, epochs - 1), 1)

    def up(value: float) -> float:
        return round(
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom), 1
        )

    def points(values: Sequence[float]) -> list[str]:
        return [f"{across(epoch)},{up(value)}" for epoch, value in enumerate(values, start=1)]

    return Drawing(
        line=" ".join(points(mean)),
        band=" ".join([*points(high), *points(low)[::-1]]) if len(own) > 1 else "",
        others=[" ".join(points(values)) for values in means],
        across=[Tick(across(t), f"{t:g}") for t in _ticks(1, epochs, integer=True)],
        up=[Tick(up(t), f"{t:g}") for t in _ticks(bottom, top)],
        description=f"Validation mAP from {mean[0]:.1f} % after the first epoch to "
        f"{mean[-1]:.1f} % after the last of {len(mean)}",
    )
