"""Training cost of true negatives and of false negatives against iteration.

The cost of an entry that training takes for negative is -log(1 - p). While a network fits the true
negatives, the cost of the false negatives rises; where it falls again, they are being memorised.

The paper shows the curves of one true and one false negative. Points that were read off them stand
beside our means.
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spml.exhibits.comparison import published_numbers, sources_phrase
from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, read_arrays, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.style import (
    FALSE_NEGATIVE,
    GREY,
    TRUE_NEGATIVE,
    add_grid,
    add_legend,
    new_panels,
    set_title,
)
from spml.plumbing.errors import run_command

# A window of a fifth of an epoch evens out what single batches happen to hold. Between points that
# lie closer than a quarter of it there is nothing more to see.
WINDOWS_PER_EPOCH = 5
POINTS_PER_WINDOW = 4

ENTRIES = {"false_negatives": "false_negative_loss", "true_negatives": "true_negative_loss"}


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving mean of (steps,) values, over what there is at the ends; NaN is left out."""
    return pd.Series(values).rolling(window, center=True, min_periods=1).mean().to_numpy()


def published_points(settings: dict[str, Any], block: Block, method: str) -> pd.DataFrame:
    """Published points of the two curves, a row each, with source and note; empty without any.

    A metric ``…_iteration`` makes a point with the cost of the same name, ``…_loss``, or with that
    in its own name, where the point is one from which the curve stays below that cost.
    """
    found = {
        number.metric: number
        for number in published_numbers(settings)
        if (number.method, number.dataset, number.protocol)
        == (method, block.dataset, block.protocol)
    }
    rows = []
    for metric, number in found.items():
        match = re.fullmatch(r"((true|false)_negative_\w+?)(?:_([\d.]+))?_iteration", metric)
        if match:
            cost = match[3] or found[f"{match[1]}_loss"].value
            rows.append(
                block_columns(
                    block,
                    method=method,
                    entries=f"{match[2]}_negatives",
                    iteration=int(number.value),
                    published=float(cost),
                    published_kind=number.kind,
                    published_source=number.source,
                    published_note=number.note,
                )
            )
    return pd.DataFrame(rows)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """Smoothed cost in nats, mean, lowest and highest over seeds.

    One row a method, kind of entry and iteration, of which a few in each window are kept; then a
    row a published point, which has a cost in ``published`` alone.
    """
    frames = []
    for block in blocks(settings):
        for method in method_titles(settings):
            for seed in settings["seeds"]:
                trace = read_arrays(block, method, seed, "trace.npz")
                steps = int(trace["steps_per_epoch"])
                window = max(1, steps // WINDOWS_PER_EPOCH)
                kept = slice(None, None, max(1, window // POINTS_PER_WINDOW))
                for entries, column in ENTRIES.items():
                    columns = block_columns(
                        block,
                        method=method,
                        entries=entries,
                        iteration=np.arange(1, len(trace[column]) + 1)[kept],
                        steps_per_epoch=steps,
                        window=window,
                        cost=smooth(trace[column], window)[kept],
                    )
                    frames.append(pd.DataFrame(columns))
    keys = [name for name in frames[0].columns if name != "cost"]
    runs = pd.concat(frames).groupby(keys, sort=False)["cost"]
    own = runs.agg(mean="mean", low="min", high="max").reset_index()
    published = [
        published_points(settings, block, method)
        for block in blocks(settings)
        for method in method_titles(settings)
    ]
    return pd.concat([own, *(points for points in published if len(points))], ignore_index=True)


def _mark_epochs(axes: Axes, steps: int) -> None:
    """A second axis along the top that counts epochs of ``steps`` iterations."""
    epochs = axes.secondary_xaxis(
        "top",
        functions=(
            lambda iteration: np.asarray(iteration) / steps,
            lambda epoch: np.asarray(epoch) * steps,
        ),
    )
    epochs.set_xlabel("Epoch", color=GREY)
    epochs.tick_params(colors=GREY, length=2)
    epochs.spines["top"].set_visible(True)
    epochs.spines["top"].set_color(GREY)
    epochs.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset, protocol and method; epochs are marked along the top."""
    shown, titles = blocks(settings), method_titles(settings)
    panels = [(block, method) for block in shown for method in titles]
    figure, grid = new_panels(len(panels), height=2.5)
    for (block, method), axes in zip(panels, grid, strict=True):
        here = select_rows(frame, block, method)
        for entries, colour, dash, marker in (
            ("false_negatives", FALSE_NEGATIVE, "-", "o"),
            ("true_negatives", TRUE_NEGATIVE, "--", "s"),
        ):
            line = here[(here["entries"] == entries) & here["mean"].notna()]
            axes.fill_between(
                line["iteration"], line["low"], line["high"], color=colour, alpha=0.2, linewidth=0
            )
            axes.plot(
                line["iteration"],
                line["mean"],
                color=colour,
                linestyle=dash,
                label=entries.replace("_", " "),
            )
            if "published" in here:
                points = here[(here["entries"] == entries) & here["published"].notna()]
                if points.empty:  # what is not clipped takes room in the layout, nothing as well
                    continue
                axes.plot(
                    points["iteration"],
                    points["published"],
                    color=colour,
                    linestyle="none",
                    marker=marker,
                    markerfacecolor="none",
                    clip_on=False,
                    label=f"one {entries[:-1].replace('_', ' ')}, published",
                )
        steps = int(here["steps_per_epoch"].iloc[0])
        axes.set_xlim(0, -(-here["iteration"].max() // steps) * steps)  # whole epochs
        axes.set_ylim(bottom=0)
        axes.margins(y=0.15)
        axes.set_xlabel("Iteration")
        axes.set_ylabel("Mean cost (nats)")
        add_grid(axes)
        _mark_epochs(axes, steps)
        if len(panels) > 1:
            set_title(axes, f"{block.title}: {titles[method]}")
        add_legend(axes)
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with the window of smoothing."""
    windows = sorted(int(window) for window in frame["window"].dropna().unique())
    band = (
        "; line: mean of the runs, band: lowest to highest run"
        if len(settings["seeds"]) > 1
        else ""
    )
    published = ""
    if "published" in frame:
        known = frame.dropna(subset="published")
        several = len(blocks(settings)) > 1
        where = join_words(
            block.title for block in blocks(settings) if len(select_rows(known, block))
        )
        published = (
            f" Open markers{f' on {where}' if several else ''}: highest and lowest points of the "
            "published curves and where they stay below 0.01; they are those of one true and one "
            "false negative, not means."
            f"{sources_phrase(known)}"
        )
    return (
        "Mean training cost, −log(1 − p), of entries that are truly negative and of entries that "
        f"are positive but unobserved, when both are trained as negatives by "
        f"{join_words(method_titles(settings).values())}. {data_phrase(settings)} "
        f"{seeds_phrase(settings).capitalize()}{band}. Smoothed by a moving mean over "
        f"{join_words(windows)} iterations, a fifth of an epoch.{published}"
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
