"""Positives of each class among the training images, observed and missing, and all images."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase
from spml.exhibits.style import (
    BLACK,
    BLUE,
    FALSE_NEGATIVE,
    OBSERVED,
    SMALL,
    add_grid,
    legend_outside,
    new_panels,
    set_title,
    shorten,
)
from spml.plumbing.addresses import labels_path, observed_path
from spml.plumbing.errors import run_command

NAMED_CLASSES = 30  # more names than this do not fit below a panel
LETTERS = 36  # names that are longer together are slanted
LONGEST = 1.4  # inches, of one name

SERIES = (
    ("total", "positives", BLUE, "s"),
    ("missing", "missing", FALSE_NEGATIVE, "x"),
    ("observed", "observed", OBSERVED, "o"),
)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a class: training images in which it is observed, missing, and present at all."""
    rows = []
    for block in blocks(settings):
        labels = load_labels(labels_path(block.dataset))
        observation = load_observation(
            observed_path(block.dataset, block.protocol, block.observation)
        )
        truth = labels.train.truth[observation.train]
        observed = observation.observed[observation.train] == 1  # always true
        for name, seen, total in zip(
            labels.classes, observed.sum(axis=0), truth.sum(axis=0), strict=True
        ):
            rows.append(
                block_columns(
                    block,
                    class_name=name,
                    observed=seen,
                    missing=total - seen,
                    total=total,
                    images=truth.shape[0],
                )
            )
    return pd.DataFrame(rows)


def _power_below(count: int) -> float:
    """The power of ten at or below ``count``, or 0."""
    return 10.0 ** int(np.log10(count)) if count else 0.0


def _name_classes(axes: Axes, names: pd.Series) -> None:
    """Class names below their places, slanted where they would meet."""
    shown = [shorten(str(name), LONGEST, SMALL) for name in names]
    axes.set_xticks(range(len(names)), shown)
    axes.tick_params(axis="x", length=0)
    if names.str.len().sum() > LETTERS:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor", fontsize=SMALL)
    axes.set_xlabel("Class")


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset and protocol, on a logarithmic axis on which rare classes are seen too.

    Few classes have their names below, in the dataset's order; many go from frequent to rare.
    """
    shown = blocks(settings)
    figure, panels = new_panels(len(shown), height=2.3)
    for block, axes in zip(shown, panels, strict=True):
        here = select_rows(frame, block)
        named = len(here) <= NAMED_CLASSES
        if not named:
            here = here.sort_values("total", ascending=False, kind="stable")
        places = np.arange(len(here))
        axes.plot(
            places, here["images"], color=BLACK, linestyle="--", linewidth=1, label="all images"
        )
        for column, label, colour, marker in SERIES:
            axes.plot(
                places,
                here[column],
                color=colour,
                marker=marker,
                markersize=4 if named else 2,
                markeredgewidth=1 if named else 0.5,
                linestyle="none",
                label=label,
            )
        # Logarithmic from 1 on: a class may be observed not once.
        axes.set_yscale("symlog", linthresh=1, subs=range(2, 10))
        axes.set_ylim(bottom=_power_below(here[["missing", "observed"]].min().min()))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.margins(x=0.02)
        axes.set_ylabel("Training images")
        add_grid(axes)
        if named:
            _name_classes(axes, here["class_name"])
        else:
            axes.set_xlabel("Classes, most frequent first")
        if len(shown) > 1:
            set_title(axes, block.title)
    legend_outside(figure, *panels[0].get_legend_handles_labels())
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with totals of each dataset."""
    text = (
        "Training images of each class: those in which it is present (positives), of these the "
        "ones in which it is observed and in which it is missing because it is unobserved, and all "
        f"images, on a logarithmic axis. {data_phrase(settings)}"
    )
    for block in blocks(settings):
        here = select_rows(frame, block)
        observed, total = here["observed"].sum(), here["total"].sum()
        text += (
            f" {block.title}: {observed:,} of {total:,} positives observed "
            f"({100 * observed / total:.0f} %) in {here['images'].iloc[0]:,} training images."
        )
    return text


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
