"""How far predictions set false negatives apart from true negatives, method beside method.

Both are unobserved entries of the validation images; a method that separates them gives the false
negatives, which are truly positive, higher predictions. The distance between the two distributions
is the Wasserstein distance of order 1, the mean shift of prediction that turns one into the other.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.style import (
    COLUMN_WIDTH,
    FALSE_NEGATIVE,
    TEXT_WIDTH,
    TRUE_NEGATIVE,
    PowersOfTen,
    add_grid,
    legend_outside,
    new_figure,
)
from spml.exhibits.unobserved import refuse_observed, unobserved_scores, wasserstein_distance
from spml.plumbing.errors import run_command

INTERVALS = 25


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a run and interval of the prediction: how many entries of each kind fall into it.

    The Wasserstein distance of a run, in units of probability, stands in each of its rows.
    """
    edges = np.linspace(0, 1, INTERVALS + 1)
    frames = []
    for block in blocks(settings):
        for _, run in unobserved_scores(block, method_titles(settings), settings["seeds"]):
            refuse_observed(run)
            columns = block_columns(
                block,
                method=run.method,
                seed=run.seed,
                low=edges[:-1],
                high=edges[1:],
                false_negatives=np.histogram(run.false_negatives, edges)[0],
                true_negatives=np.histogram(run.true_negatives, edges)[0],
                wasserstein_distance=wasserstein_distance(run.false_negatives, run.true_negatives),
            )
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _distances(frame: pd.DataFrame) -> pd.Series:
    """The distance of each run, one value a seed."""
    return frame.groupby("seed")["wasserstein_distance"].first()


def _distance_text(frame: pd.DataFrame) -> str:
    distances = _distances(frame)
    spread = f" ± {distances.std():.3f}" if len(distances) > 1 else ""
    return f"{distances.mean():.3f}{spread}"


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A row of panels a dataset and protocol, a panel a method; seeds are pooled."""
    shown, titles = blocks(settings), method_titles(settings)
    figure, panels = new_figure(
        len(shown),
        len(titles),
        width=TEXT_WIDTH if len(titles) > 1 else COLUMN_WIDTH,
        height=2.3,
        sharey="row",  # heights compare between methods
    )
    for block, row in zip(shown, panels, strict=True):
        for (method, title), axes in zip(titles.items(), row, strict=True):
            here = select_rows(frame, block, method)
            pooled = here.groupby("low")[["false_negatives", "true_negatives"]].sum()
            edges = np.append(pooled.index, 1.0)
            for column, colour, dash in (
                ("true_negatives", TRUE_NEGATIVE, "--"),
                ("false_negatives", FALSE_NEGATIVE, "-"),
            ):
                share = 100 * pooled[column] / pooled[column].sum()
                axes.stairs(
                    share,
                    edges,
                    color=colour,
                    linestyle=dash,
                    linewidth=1.3,
                    label=column.replace("_", " "),
                )
            name = f"{block.title}, {title}" if len(shown) > 1 else title
            axes.set_title(f"{name}\nWasserstein distance {_distance_text(here)}")
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(PowersOfTen())
            axes.set_xlim(0, 1)
            axes.set_ylim(top=100)
            add_grid(axes)
        row[0].set_ylabel("Share of entries (%)")
        row[0].yaxis.set_major_formatter("{x:g}")
    for axes in panels[-1]:
        axes.set_xlabel("Predicted probability")
    legend_outside(figure, *panels[0, 0].get_legend_handles_labels(), place="lower center")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with the distances."""
    shown, titles = blocks(settings), method_titles(settings)
    distances = []
    for block in shown:
        for method, title in titles.items():
            here = select_rows(frame, block, method)
            name = f"{title} on {block.title}" if len(shown) > 1 else title
            distances.append(f"{_distance_text(here)} for {name}")
    spread = ", mean ± sample standard deviation over seeds" if len(settings["seeds"]) > 1 else ""
    runs = seeds_phrase(settings, "Pooled over")
    return (
        "Predictions on the unobserved entries of the validation images: false negatives (present "
        "but unobserved) against true negatives, each as the share of its entries in "
        f"{INTERVALS} intervals, on a logarithmic axis. {data_phrase(settings)} "
        f"{runs}, at {selection_phrase(settings)}. Wasserstein distance between the two "
        f"distributions{spread}: {join_words(distances)}."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
