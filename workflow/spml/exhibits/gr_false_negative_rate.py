"""Share of false negatives among unobserved entries, against the prediction of the model.

In each interval of the prediction p: FN / (FN + TN) over the unobserved entries of the validation
images, after the first and after the last epoch. Over it k(p) = (1 - a) p / (1 - a p), with
a = 1 / (mean positives of a training image): the probability that an entry is positive although
unobserved, if one positive of each image is observed at random. GR Loss trains with a logistic k in
its place.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, mean_positives, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.style import (
    BLACK,
    BLUE,
    ORANGE,
    add_grid,
    new_panels,
)
from spml.exhibits.unobserved import refuse_observed, unobserved_scores
from spml.plumbing.errors import run_command

MOMENTS = {"val_first": "start", "val_last": "end"}


def estimated_rate(prediction: np.ndarray, positives: float) -> np.ndarray:
    """k(p) = (1 - a) p / (1 - a p) with a = 1 / ``positives``; any shape, p in [0, 1]."""
    a = 1 / positives
    return (1 - a) * prediction / (1 - a * prediction)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method, moment and interval that holds an entry.

    ``rate`` is FN / (FN + TN); ``estimate`` is k at the middle of the interval.
    """
    edges = np.linspace(0, 1, settings["intervals"] + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    frames = []
    for block in blocks(settings):
        positives = mean_positives(block)
        counts: dict[tuple[str, str], np.ndarray] = {}
        for moment, run in unobserved_scores(
            block, method_titles(settings), settings["seeds"], moments=MOMENTS
        ):
            refuse_observed(run)
            entries = np.stack(
                [
                    np.histogram(scores, edges)[0]
                    for scores in (run.false_negatives, run.true_negatives)
                ]
            )
            counts[run.method, moment] = counts.get((run.method, moment), 0) + entries
        for (method, moment), (missed, negative) in counts.items():
            filled = missed + negative > 0
            columns = block_columns(
                block,
                method=method,
                moment=MOMENTS[moment],
                low=edges[:-1][filled],
                high=edges[1:][filled],
                false_negatives=missed[filled],
                true_negatives=negative[filled],
                rate=missed[filled] / (missed + negative)[filled],
                estimate=estimated_rate(middle, positives)[filled],
                mean_positives=positives,
            )
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset, protocol and method."""
    shown, titles = blocks(settings), method_titles(settings)
    panels = [(block, method) for block in shown for method in titles]
    figure, grid = new_panels(len(panels), height=2.7)
    line = np.linspace(0, 1, 201)
    for (block, method), axes in zip(panels, grid, strict=True):
        here = select_rows(frame, block, method)
        for moment, marker, edge, face in (
            ("start", "o", ORANGE, "none"),
            ("end", "x", BLUE, BLUE),
        ):
            points = here[here["moment"] == moment]
            axes.scatter(
                (points["low"] + points["high"]) / 2,
                points["rate"],
                s=11,
                linewidth=0.8,
                marker=marker,
                label=f"{moment} of training",
                edgecolors=None if marker == "x" else edge,
                facecolors=face,
                zorder=3,
            )
        positives = here["mean_positives"].iloc[0]
        axes.plot(
            line,
            estimated_rate(line, positives),
            color=BLACK,
            label=f"k(p), a = 1/{positives:.2f}",
            zorder=2,
        )
        axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
        axes.set_xlabel("Predicted probability p")
        axes.set_ylabel("FN / (FN + TN)")
        add_grid(axes, "both")
        if len(panels) > 1:
            axes.set_title(f"{block.title}: {titles[method]}")
        axes.legend(loc="best")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with the a of each dataset."""
    shown = blocks(settings)
    means = frame.groupby(["dataset", "protocol"], sort=False)["mean_positives"].first()
    values = [
        f"a = 1/{mean:.2f}" + (f" for {block.title}" if len(shown) > 1 else "")
        for mean, block in zip(means, shown, strict=True)
    ]
    return (
        "Share of false negatives among the unobserved entries of the validation images, "
        f"FN / (FN + TN), in {settings['intervals']} equal intervals of the predicted probability "
        "p, after the first epoch (start) and the last epoch (end); intervals without entries are "
        "left out. The line is k(p) = (1 − a)p / (1 − ap), which holds if one positive of each "
        "image is observed at random, where 1/a is the mean number of positives of a training "
        f"image: {join_words(values)}; GR Loss trains with a logistic k in its place. "
        f"{data_phrase(settings)} "
        f"{join_words(method_titles(settings).values())}, {seeds_phrase(settings, 'pooled over')}."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
