"""Validation mAP over the grid of each method in a search, below that of its best variant."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.figure import figure_command
from spml.exhibits.records import select_rows
from spml.exhibits.search import read_scores, varied
from spml.exhibits.settings import blocks, data_phrase, seeds_phrase
from spml.exhibits.style import TEXT_WIDTH, VERMILLION, add_grid, draw_points, new_figure
from spml.measures.selection import CRITERIA
from spml.plumbing.errors import run_command

COLUMNS = 3  # panels side by side
WORDS = {"clean": "on the true labels", "observed": "on the observed labels"}


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, variant and criterion.

    Mean, lowest and highest over seeds lie below the highest mean of the method, in points of mAP.
    """
    scores = read_scores()
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


def _draw_method(axes: Any, here: pd.DataFrame) -> None:
    for position, (criterion, points) in enumerate(here.groupby("criterion", sort=False)):
        line = points.reset_index(drop=True)
        draw_points(axes, line.index, line, position, WORDS[str(criterion)])
        best = line[line["best"]]
        axes.plot(
            best.index,
            best["mean"],
            marker="*",
            markersize=9,
            color=VERMILLION if position else None,
            linestyle="none",
            zorder=3,
        )
    names = [varied(title) for title in here["title"].unique()]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(names) - 0.6)
    add_grid(axes)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset, protocol and method; variants are spaced alike: some vary two values."""
    shown = [
        (block, method, group)
        for block in blocks(settings)
        for method, group in select_rows(frame, block).groupby("method", sort=False)
    ]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure, grid = new_figure(rows, columns, width=TEXT_WIDTH, height=1.9)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    several = len(blocks(settings)) > 1
    for (block, _, here), axes in zip(shown, grid.flat, strict=False):
        _draw_method(axes, here)
        title = here["method_title"].iloc[0]
        axes.set_title(f"{block.title}: {title}" if several else title)
    figure.supylabel("Validation mAP below the best variant (points)", fontsize=7.5)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    bars = "; bars: lowest to highest run" * (len(settings["seeds"]) > 1)
    return (
        "Validation mAP of each variant, the best over epochs, below that of the method's best "
        "variant: on the true labels of the validation images, and on those that training could "
        f"have seen. Stars: the best. {seeds_phrase(settings, 'Mean of')}{bars}. Variants are "
        f"spaced alike, not to scale. Test scores took no part. {data_phrase(settings)}"
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
