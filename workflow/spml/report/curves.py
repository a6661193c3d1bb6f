"""Curves as points of small SVG drawings, whose colours follow the page's and whose values it says.

Drawn by hand because a page for each of fifty methods must not take a minute, and because no
picture file answers to a pointer. What a script adds needs the values alone: ``readings``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 10, 36
# How many curves of one drawing differ in colour and dash; the style sheet has as many.
LOOKS = 8


class Tick(NamedTuple):
    """A place in the drawing and the number there."""

    place: float
    text: str


class Line(NamedTuple):
    """points: SVG's ``x,y x,y``. readings: what each of them says; empty for one that is silent.

    look: a number below ``LOOKS``; None for one in grey.
    """

    name: str
    points: str
    readings: Sequence[str] = ()
    look: int | None = None


class Drawing(NamedTuple):
    """band: the outline between lowest and highest run. steps: what goes across, point by point.

    said: the step whose readings are shown before the reader chooses one.
    """

    lines: list[Line]
    band: str
    across: list[Tick]
    up: list[Tick]
    x_title: str
    steps: Sequence[str]
    said: int
    description: str


class _Axes(NamedTuple):
    """Places of values between the ends of both axes."""

    left: float
    right: float
    bottom: float
    top: float

    def across(self, value: float) -> float:
        share = (value - self.left) / (self.right - self.left or 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)

    def up(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    def points(self, x: Sequence[float], y: Sequence[float]) -> list[str]:
        return [f"{self.across(a)},{self.up(b)}" for a, b in zip(x, y, strict=True)]

    def ticks(self, *, integer: bool) -> dict[str, list[Tick]]:
        """Both axes' ticks; those across are whole numbers where ``integer``."""
        return {
            "across": [
                Tick(self.across(t), f"{t:g}") for t in _ticks(self.left, self.right, integer)
            ],
            "up": [Tick(self.up(t), f"{t:g}") for t in _ticks(self.bottom, self.top)],
        }


def _ticks(lowest: float, highest: float, integer: bool = False) -> list[float]:
    found = MaxNLocator(5, integer=integer, steps=[1, 2, 5, 10]).tick_values(lowest, highest)
    return [float(value) for value in found if lowest <= value <= highest]


def _summary(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """Mean, lowest and highest value after each epoch, (3, E), of the runs that got that far."""
    columns = [
        [curve[epoch] for curve in curves if epoch < len(curve)]
        for epoch in range(max(map(len, curves)))
    ]
    return np.array([[np.mean(c), min(c), max(c)] for c in columns]).T


def _epochs(values: Sequence[float]) -> range:
    return range(1, len(values) + 1)


def _learning_axes(shown: np.ndarray, means: Sequence[Sequence[float]]) -> _Axes:
    """Axes on which what is ``shown`` is whole, and all other means but the lowest tenth.

    One that failed does not flatten the rest; what falls below is cut off.
    """
    rest = np.concatenate(means)
    return _Axes(
        left=1,
        right=max(map(len, means)),
        bottom=float(min(shown.min(), np.percentile(rest, 10))) - 1,
        top=float(max(shown.max(), rest.max())) + 1,
    )


def mean_curve(runs: Sequence[Sequence[float]]) -> list[float]:
    """Mean after each epoch of the runs that got that far."""
    return [float(value) for value in _summary(runs)[0]]


def draw(name: str, own: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> Drawing:
    """One method's runs against the means of the other methods; values in percent by epoch."""
    summary = _summary(own)
    mean, low, high = summary
    axes = _learning_axes(summary, [mean, *others])
    several = len(own) > 1
    return Drawing(
        lines=[
            *(Line("", " ".join(axes.points(_epochs(values), values))) for values in others),
            Line(
                name,
                " ".join(axes.points(_epochs(mean), mean)),
                [
                    f"{m:.1f} %" + (f" ({a:.1f} to {b:.1f})" if several else "")
                    for m, a, b in summary.T
                ],
                look=0,
            ),
        ],
        band=" ".join([*axes.points(_epochs(high), high), *axes.points(_epochs(low), low)[::-1]])
        if several
        else "",
        **axes.ticks(integer=True),
        x_title="Epoch",
        steps=[f"Epoch {epoch}" for epoch in _epochs(mean)],
        said=len(mean) - 1,
        description=f"Validation mAP from {mean[0]:.1f} % after the first epoch to "
        f"{mean[-1]:.1f} % after the last of {len(mean)}",
    )


def draw_together(
    runs: Mapping[str, Sequence[Sequence[float]]], shown: Sequence[str], title: str
) -> Drawing:
    """The mean of each method's runs; values in percent by epoch, by the method's name.

    shown: those in colour.
    """
    means = {name: mean_curve(curves) for name, curves in runs.items()}
    looks = {name: place % LOOKS for place, name in enumerate(shown)}
    axes = _learning_axes(
        np.concatenate([means[name] for name in shown or means]), list(means.values())
    )
    return Drawing(
        lines=[
            Line(
                name,
                " ".join(axes.points(_epochs(values), values)),
                [f"{value:.1f} %" for value in values],
                looks.get(name),
            )
            for name, values in means.items()
        ],
        band="",
        **axes.ticks(integer=True),
        x_title="Epoch",
        steps=[f"Epoch {epoch}" for epoch in range(1, int(axes.right) + 1)],
        said=int(axes.right) - 1,
        description=f"Validation mAP by epoch of {len(means)} methods on {title}",
    )


def draw_gradient(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Drawing:
    """Derivatives of a loss, by what a curve is called: probabilities and the values there."""
    values = np.concatenate([y for _, y in curves.values()])
    low, high = min(0.0, values.min()), max(0.0, values.max())
    room = 0.06 * (high - low or 1)
    axes = _Axes(0, 1, float(low - room), float(high + room))
    x, _ = next(iter(curves.values()))
    return Drawing(
        lines=[
            Line(name, " ".join(axes.points(p, y)), [f"{value:+.3f}" for value in y], look)
            for look, (name, (p, y)) in enumerate(curves.items())
        ],
        band="",
        **axes.ticks(integer=False),
        x_title="Predicted probability p",
        steps=[f"p = {p:.2f}" for p in x],
        said=len(x) // 2,
        description=f"Gradient of the loss from {low:+.2f} to {high:+.2f}",
    )
