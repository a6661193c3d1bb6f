"""Which unobserved labels a loss rejects or corrects while it trains, and how many rightly.

It is right where the label is a false negative: positive, but unobserved.
"""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spml.addresses import run_path
from spml.errors import UserError, run_command
from spml.exhibits.figure import make_figure
from spml.exhibits.records import block_columns, select_rows, training_entries
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.style import GREY, SERIES, TEXT_WIDTH, add_grid, new_figure
from spml.files import read_json_lines

PANELS = {
    "precision": "Right ones among them (%)",
    "recall": "False negatives among them (%)",
    "modified": "Modified labels (% of unobserved)",
}


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method, seed and epoch.

    entries: unobserved labels that the loss modified in the epoch, of which ``false_negatives`` are
    positive. In percent: ``precision`` is their share of the modified ones (empty where there are
    none), ``recall`` their share of all false negatives, ``modified`` the share of the unobserved
    labels that was modified, and ``base_rate`` the share of false negatives among these.
    """
    rows = []
    for block in blocks(settings):
        for method, title in method_titles(settings).items():
            masks = training_entries(block, method)
            missed = int(masks["false_negatives"].sum())
            unobserved = missed + int(masks["true_negatives"].sum())
            for seed in settings["seeds"]:
                path = run_path(block.dataset, block.protocol, method, seed) / "history.jsonl"
                for record in read_json_lines(path):
                    if record["modified"] is None:
                        raise UserError(
                            f"{title} neither rejects nor corrects labels; leave it out of "
                            f"{settings['paper']}_{settings['name']}"
                        )
                    entries, right = record["modified"].values()
                    rows.append(
                        block_columns(
                            block,
                            method=method,
                            seed=seed,
                            epoch=record["epoch"],
                            entries=entries,
                            false_negatives=right,
                            precision=100 * right / entries if entries else None,
                            recall=100 * right / missed if missed else None,
                            modified=100 * entries / unobserved if unobserved else None,
                            base_rate=100 * missed / unobserved if unobserved else None,
                        )
                    )
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A row a dataset and protocol, a panel a measure, a line a method."""
    shown, titles = blocks(settings), method_titles(settings)
    figure, grid = new_figure(len(shown), len(PANELS), width=TEXT_WIDTH, height=2.2)
    for block, row in zip(shown, grid, strict=True):
        here = select_rows(frame, block)
        for (measure, label), axes in zip(PANELS.items(), row, strict=True):
            for position, (method, title) in enumerate(titles.items()):
                colour, dash, marker = SERIES[position % len(SERIES)]
                runs = here[here["method"] == method].groupby("epoch")[measure]
                line = runs.agg(["mean", "min", "max"]).dropna()
                axes.fill_between(
                    line.index, line["min"], line["max"], color=colour, alpha=0.2, linewidth=0
                )
                axes.plot(
                    line.index, line["mean"], color=colour, linestyle=dash, marker=marker,
                    label=title,
                )  # fmt: skip
            if measure in ("precision", "modified"):
                base_rate = here["base_rate"].iloc[0]
                axes.axhline(base_rate, color=GREY, linestyle=(0, (1, 1)), label="base rate")
            axes.set_xlim(0.5, here["epoch"].max() + 0.5)
            axes.set_ylim(0, 102 if measure == "precision" else None)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("Epoch")
            axes.set_ylabel(label)
            if len(shown) > 1:
                axes.set_title(block.title)
            add_grid(axes)
        row[0].legend(loc="best")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, with the base rate of each dataset."""
    shown = blocks(settings)
    several = len(shown) > 1
    rates = [
        f"{select_rows(frame, block)['base_rate'].iloc[0]:.1f} %"
        + (f" for {block.title}" if several else "")
        for block in shown
    ]
    band = " Line: mean of the runs, band: lowest to highest run." * (len(settings["seeds"]) > 1)
    return (
        "Unobserved training labels that a loss takes for large in an epoch and therefore rejects "
        "(LL-R) or corrects to positive (LL-Ct for one step; LL-Cp for good, so that a label "
        "counts in the epoch of its correction alone). Left: how many of them are right, that is, false "
        "negatives. Middle: how many of all false negatives are among them. Right: how many of the "
        "unobserved labels they are. In the first epoch none is modified. Dotted: share of false "
        f"negatives among the unobserved labels, {join_words(rates)}. {data_phrase(settings)} "
        f"{join_words(method_titles(settings).values())}, {seeds_phrase(settings)}.{band}"
    )


def main() -> None:
    make_figure(
        "spml.exhibits.ll_corrections", __doc__, tabulate=tabulate, draw=draw, caption=caption
    )


if __name__ == "__main__":
    run_command(main)
