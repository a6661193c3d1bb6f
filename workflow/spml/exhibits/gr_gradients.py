"""Gradient analysis: dL/dz of an unobserved entry against the predicted probability p.

Above zero a step lowers the prediction, below zero it raises it. Losses that change over training
are drawn at its start, middle and end.
"""

from typing import Any

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from spml.exhibits.figure import figure_command
from spml.exhibits.settings import blocks, join_words
from spml.exhibits.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    SKY,
    TEXT_WIDTH,
    VERMILLION,
    add_grid,
    add_legend,
    new_figure,
)
from spml.plumbing.addresses import GRADIENT_TABLE
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

COLOURS = [BLACK, ORANGE, SKY, BLUE, GREY, VERMILLION]
DASHES = ["", (5, 1.5), (1, 1), (5, 1, 1, 1), (3, 1, 1, 1, 1, 1), (2, 2)]


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """The derivatives of the losses that are shown: one row a method, epoch and probability."""
    names = [loss["name"] for loss in settings["losses"]]
    gradients = pd.read_csv(verified(GRADIENT_TABLE))
    return gradients[gradients["method"].isin(names)]


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """Left: losses that stay the same. Right: those that change over training, by epoch."""
    changing = frame.groupby("method")["epoch"].transform("nunique") > 1
    figure, grid = new_figure(1, 2, width=TEXT_WIDTH, height=2.6)
    panels = (("Losses that stay the same", ~changing, False), ("Scheduled losses", changing, True))
    for axes, (title, chosen, scheduled) in zip(grid[0], panels, strict=True):
        curves = frame[chosen]
        labels = curves["title"]
        if scheduled:
            epochs, totals = curves["epoch"].astype(str), curves["total_epochs"].astype(str)
            labels = labels + ", epoch " + epochs + " of " + totals
        count = labels.nunique()
        seaborn.lineplot(
            x=curves["probability"],
            y=curves["gradient"],
            hue=labels.rename(None),
            style=labels.rename(None),
            palette=COLOURS[:count],
            dashes=DASHES[:count],
            ax=axes,
        )
        axes.axhline(0, color=BLACK, linewidth=0.6)
        axes.set_title(title)
        axes.set_xlabel("Predicted probability p of an unobserved entry")
        axes.set_ylabel("")
        axes.set_xlim(0, 1)
        add_legend(axes, "lower right" if scheduled else "upper left")
        add_grid(axes)
    grid[0][0].set_ylabel("Gradient dL/dz of the loss")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    names = join_words(frame["title"].drop_duplicates())
    first = blocks(settings)[0]
    return (
        f"Gradient of the loss of one unobserved entry with respect to its logit z, against the "
        f"predicted probability, by automatic differentiation of the losses that train: {names}. "
        "Above zero, a step of gradient descent lowers the prediction; below zero, it raises it. "
        "Losses that change over training are shown in their first, middle and last epoch, on an "
        f"axis of their own. Hyperparameters are those for {first.title}."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
