"""Positives of each class among the training rows: how many are observed and how many missing."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spml.addresses import labels_path, observed_path
from spml.errors import run_command
from spml.exhibits.figure import make_figure
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase
from spml.exhibits.style import FALSE_NEGATIVE, OBSERVED, TEXT_WIDTH, add_grid, new_figure
from spml.labels import load_labels
from spml.observe import load_observation

NAMED_CLASSES = 30  # more names than this do not fit below the bars
LETTERS = 80  # names that are longer together are slanted


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a class: training images in which it is observed, missing, and present at all."""
    rows = []
    for block in blocks(settings):
        labels = load_labels(labels_path(block.dataset))
        observation = load_observation(
            observed_path(block.dataset, block.protocol, block.observation)
        )
        truth = labels.train.truth[observation.train]
        observed = truth & (observation.observed[observation.train] == 1)
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
                    images=len(truth),
                )
            )
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """Stacked bars, one panel a dataset and protocol; the height of a stack is the total."""
    shown = blocks(settings)
    figure, panels = new_figure(len(shown), 1, width=TEXT_WIDTH, height=2.1)
    for block, axes in zip(shown, panels[:, 0], strict=True):
        here = select_rows(frame, block)
        named = len(here) <= NAMED_CLASSES
        if not named:
            here = here.sort_values("total", ascending=False, kind="stable")
        places = np.arange(len(here))
        outline: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5 if named else 0}
        axes.bar(places, here["observed"], color=OBSERVED, label="observed", **outline)
        axes.bar(
            places,
            here["missing"],
            bottom=here["observed"],
            color=FALSE_NEGATIVE,
            hatch="////" if named else "",
            label="missing",
            **outline,
        )
        add_grid(axes)
        axes.margins(x=0.01, y=0.1)
        axes.set_ylabel("Training images")
        if named:
            axes.set_xticks(places, here["class_name"])
            axes.tick_params(axis="x", length=0)
            if here["class_name"].str.len().sum() > LETTERS:
                for label in axes.get_xticklabels():
                    label.set(rotation=45, ha="right", rotation_mode="anchor")
            for place, total in zip(places, here["total"], strict=True):
                axes.annotate(
                    f"{total:,}",
                    (place, total),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
                )
            axes.set_xlabel("Class")
        else:
            axes.set_xlabel("Classes, most frequent first")
        if len(shown) > 1:
            axes.set_title(block.title)
    panels[0, 0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with totals of each dataset."""
    text = (
        "Positive labels of each class among the training images: observed, and missing because "
        f"they are unobserved; a stack is all positives. {data_phrase(settings)}"
    )
    for block in blocks(settings):
        here = select_rows(frame, block)
        observed, total = here["observed"].sum(), here["total"].sum()
        text += (
            f" {block.title}: {observed:,} of {total:,} positives observed "
            f"({100 * observed / total:.0f} %) in {here['images'].iloc[0]:,} training images."
        )
    return text


def main() -> None:
    make_figure(
        "spml.exhibits.gr_class_counts", __doc__, tabulate=tabulate, draw=draw, caption=caption
    )


if __name__ == "__main__":
    run_command(main)
