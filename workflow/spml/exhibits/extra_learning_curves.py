"""Validation mAP of each method after each epoch."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase, method_titles, seeds_phrase
from spml.exhibits.style import (
    BLUE,
    LIGHT_GREY,
    add_grid,
    is_first,
    name_axes,
    new_rows,
    set_title,
)
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json_lines

COLUMNS = 5  # panels side by side


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method and epoch: mean, lowest and highest validation mAP in percent over seeds.

    A run that stopped early takes no part after its last epoch; ``runs`` tells how many do.
    """
    rows = [
        block_columns(block, method=method, epoch=record["epoch"], value=record["val_map"])
        for block in blocks(settings)
        for method in method_titles(settings)
        for seed in settings["seeds"]
        for record in read_json_lines(
            run_path(block.dataset, block.protocol, method, seed) / "history.jsonl"
        )
    ]
    runs = pd.DataFrame(rows).groupby(["dataset", "protocol", "method", "epoch"], sort=False)
    return runs["value"].agg(mean="mean", low="min", high="max", runs="count").reset_index()


def common_range(here: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest value to show, methods that failed by a wide margin left out.

    Far means more than three interquartile ranges below the lower quartile, so that one method
    that collapsed does not flatten the curves of all the others.
    """
    lower, upper = here["mean"].quantile([0.25, 0.75])
    fence = lower - 3 * (upper - lower)
    return here.loc[here["low"] >= fence, "low"].min() - 1, here["high"].max() + 1


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """Panels of a dataset and protocol, one a method, each against all other methods in grey.

    Ten curves and bands in one panel hide each other; in panels of their own none is hidden.
    """
    shown, titles = blocks(settings), method_titles(settings)
    figure, rows = new_rows([len(titles)] * len(shown), columns=COLUMNS, height=1.6)
    for block, panels in zip(shown, rows, strict=True):
        here = select_rows(frame, block)
        lowest, highest = common_range(here)
        for (method, title), axes in zip(titles.items(), panels, strict=True):
            for other in titles:
                line = here[here["method"] == other]
                axes.plot(line["epoch"], line["mean"], color=LIGHT_GREY, linewidth=0.7)
            line = here[here["method"] == method]
            axes.fill_between(
                line["epoch"], line["low"], line["high"], color=BLUE, alpha=0.25, linewidth=0
            )
            axes.plot(line["epoch"], line["mean"], color=BLUE)
            own = line["low"].min()
            bottom = lowest if own >= lowest else own - 0.15 * (highest - own)  # room for a number
            axes.annotate(
                f"{line['mean'].iloc[-1]:.1f}",
                (line["epoch"].iloc[-1], bottom),
                ha="right",
                va="bottom",
                color=BLUE,
            )
            set_title(axes, f"{block.title}: {title}" if len(shown) > 1 else title)
            axes.set_ylim(bottom, highest)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.tick_params(labelleft=is_first(axes) or bottom < lowest)
            add_grid(axes)
    name_axes(figure, "Epoch", "Validation mAP (%)")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    several = len(settings["seeds"]) > 1
    band = "; band: lowest to highest run" if several else ""
    number = "mean" if several else "value"
    ends = frame.groupby(["dataset", "protocol", "method"])["runs"].nunique()
    stopped = " A run that stopped early counts up to its last epoch." if (ends > 1).any() else ""
    return (
        f"Validation mAP against epoch, on the true validation labels. {data_phrase(settings)} "
        f"Line: {seeds_phrase(settings, 'mean of')}{band}; number: {number} after the last epoch; "
        f"grey: the other methods.{stopped} A method far below the others is shown in its own "
        "panel only, whose axis is longer."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
