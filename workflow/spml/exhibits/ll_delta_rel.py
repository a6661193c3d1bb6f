"""Test mAP against delta_rel, the percentage by which each Large Loss method grows bolder."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.estimates import interval_columns, map_estimates
from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    curve_title,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.style import (
    FORMULA,
    GREY,
    add_grid,
    draw_points,
    legend_outside,
    new_panels,
    set_title,
)
from spml.plumbing.addresses import run_path, table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method: its curve, delta_rel (percent), and mean mAP with its 95 % interval.

    delta_rel is what the runs recorded, empty for the method that the others are compared with.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    for block in blocks(settings):
        titles = method_titles(settings)
        estimates = map_estimates(block, titles, settings["seeds"], collected)
        for method, title in titles.items():
            seed = settings["seeds"][0]
            record = read_json(run_path(block.dataset, block.protocol, method, seed) / "run.json")[
                "settings"
            ]
            rows.append(
                block_columns(
                    block,
                    method=method,
                    curve=curve_title(title),
                    delta_rel=record["hyperparameters"].get("delta_rel"),
                    seeds=len(settings["seeds"]),
                    mean=estimates[method].mean,
                    **interval_columns(estimates[method]),
                )
            )
    return pd.DataFrame(rows).astype({"delta_rel": "float"})


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset and protocol, a line a curve that begins at the reference, itself level."""
    shown, titles = blocks(settings), method_titles(settings)
    figure, panels = new_panels(len(shown), height=2.5)
    for block, axes in zip(shown, panels, strict=True):
        here = select_rows(frame, block)
        swept = here.dropna(subset="delta_rel").sort_values("delta_rel")
        reference = settings.get("reference", "")
        start = here[here["method"] == reference].assign(delta_rel=0.0)
        for position, (curve, points) in enumerate(swept.groupby("curve", sort=False)):
            line = pd.concat([start, points])
            draw_points(axes, line["delta_rel"], line, position, str(curve))
        if len(start):
            level = start["mean"].iloc[0]
            axes.axhline(level, color=GREY, linestyle=(0, (1, 1)), label=titles[reference])
        axes.set_xlim(left=0)
        axes.margins(y=0.1)
        axes.set_xlabel(r"$\Delta_\mathrm{rel}$ (%)", parse_math=True, fontsize=FORMULA)
        axes.set_ylabel("Test mAP (%)")
        add_grid(axes)
        if len(shown) > 1:
            set_title(axes, block.title)
    legend_outside(figure, *panels[0].get_legend_handles_labels())
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    curves = frame.loc[frame["delta_rel"].notna(), "curve"].unique()
    text = (
        f"Test mAP of {join_words(curves)} against Δrel, the "
        "percentage of the labels of a batch by which the rejected (LL-R) or corrected (LL-Ct) "
        "ones grow from epoch to epoch, or that is corrected in every step (LL-Cp). "
        f"{data_phrase(settings)} {seeds_phrase(settings, 'Mean of')}, at "
        f"{selection_phrase(settings)}. "
        f"{interval_phrase(settings, subject='Bars, 95 % intervals,')}"
    )
    titles = method_titles(settings)
    if settings.get("reference") in titles:
        text += (
            f" Dotted: {titles[settings['reference']]}, which all are where Δrel is 0, so that "
            "each line begins there."
        )
    return f"{text} The curves of the paper were not found by us."


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
