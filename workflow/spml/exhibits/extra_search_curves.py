"""Validation mAP over the grid of each method in a search, relative to its best variant."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spml.exhibits.figure import figure_command
from spml.exhibits.records import select_rows
from spml.exhibits.search import read_scores, varied
from spml.exhibits.settings import blocks, data_phrase, seeds_phrase
from spml.exhibits.style import (
    SERIES,
    TEXT_WIDTH,
    add_grid,
    legend_outside,
    name_axes,
    name_rows,
    new_figure,
    set_title,
)
from spml.measures.selection import CRITERIA
from spml.plumbing.errors import run_command

COLUMNS = 2  # panels side by side
WORDS = {"clean": "on the true labels", "observed": "on the observed labels"}


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, variant and criterion.

    Mean, lowest and highest over seeds are relative to the highest mean of the method, in points of
    mAP. Of protocols that differ in their selection alone, the first stands for all.
    """
    scores = read_scores().query("protocol == alike").reset_index(drop=True)
    place = ["dataset", "protocol", "method"]
    parts = []
    for criterion in CRITERIA:
        part = scores[[*place, "method_title", "variant", "title"]].assign(criterion=criterion)
        best = scores.groupby(place)[f"{criterion}_mean"].transform("max")
        for column in ("mean", "low", "high"):
            part[column] = scores[f"{criterion}_{column}"] - best
        part["best"] = scores[f"best_on_{criterion}"]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _draw_method(axes: Axes, here: pd.DataFrame) -> None:
    """A line a variant, with a marker a criterion; a ring is around the best."""
    for position, (criterion, points) in enumerate(here.groupby("criterion", sort=False)):
        colour, _, marker = SERIES[position]
        mean = points["mean"].to_numpy()
        lines = np.arange(len(points)) + (0.15 if position else -0.15)
        axes.errorbar(
            mean,
            lines,
            xerr=[mean - points["low"], points["high"] - mean],
            color=colour,
            marker=marker,
            linestyle="none",
            linewidth=0.8,
            label=WORDS[str(criterion)],
        )
        best = points["best"].to_numpy()
        axes.plot(mean[best], lines[best], "o", color=colour, markersize=8, markerfacecolor="none")
    names = [varied(title) for title in here["title"].unique()]
    name_rows(axes, range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first is on top
    add_grid(axes, "x")


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset, protocol and method, as high as it has variants."""
    shown = [
        (block, here)
        for block in blocks(settings)
        for _, here in select_rows(frame, block).groupby("method", sort=False)
    ]
    columns = min(COLUMNS, len(shown))
    counts = [here["variant"].nunique() for _, here in shown]
    rows = [0.55 + 0.17 * max(counts[at : at + columns]) for at in range(0, len(counts), columns)]
    figure, grid = new_figure(
        len(rows),
        columns,
        width=TEXT_WIDTH,
        height=sum(rows) / len(rows) + 0.3 / len(rows),
        gridspec_kw={"height_ratios": rows},
    )
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    several = frame.groupby(["dataset", "protocol"]).ngroups > 1
    for (block, here), axes in zip(shown, grid.flat, strict=False):
        _draw_method(axes, here)
        title = here["method_title"].iloc[0]
        set_title(axes, f"{title}: {block.title}" if several else title)
    name_axes(figure, "Validation mAP relative to the best variant (points)")
    legend_outside(figure, *grid[0, 0].get_legend_handles_labels())
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    bars = "; bars: lowest to highest run" * (len(settings["seeds"]) > 1)
    text = (
        "Validation mAP of each variant, the best over epochs, relative to the method's best "
        "variant: on the true labels of the validation images, and on those that training could "
        f"have seen. Ring: the best. {seeds_phrase(settings, 'Mean of')}{bars}. "
        f"Test scores took no part. {data_phrase(settings)}"
    )
    if frame.groupby(["dataset", "protocol"]).ngroups < len(settings["blocks"]):
        text += " Of protocols that differ in their selection alone, the first is shown."
    return text


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
