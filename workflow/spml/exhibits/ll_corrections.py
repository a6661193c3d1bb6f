"""Which unobserved labels a loss rejects or corrects while it trains, and how many rightly.

It is right where the label is a false negative: positive, but unobserved. Of an epoch these are the
labels that the loss modified in it; LL-Cp corrects for good, so that with it they are all labels
that it corrected so far.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, select_rows, training_entries
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.style import (
    GREY,
    SERIES,
    TEXT_WIDTH,
    add_grid,
    legend_outside,
    new_figure,
    set_title,
)
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import read_json, read_json_lines

PANELS = {
    "precision": "Precision (%)",
    "recall": "Recall (%)",
    "modified": "Modified (% of unobserved)",
}
FOR_GOOD = {"ll_cp"}  # losses that correct a label once, and then for good


def _modified(folder: Path, title: str) -> Iterator[tuple[int, int, int]]:
    """Epoch, labels that count as modified in it, and how many of them are false negatives."""
    settings = read_json(folder / "run.json")["settings"]
    for_good = settings["loss"] in FOR_GOOD
    if settings["hyperparameters"].get("strict"):
        raise UserError(
            f"{title} keeps some of its corrections, and its record does not say which; leave it "
            "out of ll_corrections"
        )
    entries = right = 0
    for record in read_json_lines(folder / "history.jsonl"):
        modified = record["modified"]
        if modified is None:
            raise UserError(
                f"{title} neither rejects nor corrects labels; leave it out of ll_corrections"
            )
        entries = modified["entries"] + (entries if for_good else 0)
        right = modified["false_negatives"] + (right if for_good else 0)
        yield record["epoch"], entries, right


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method, seed and epoch.

    entries: labels modified in the epoch, of which ``false_negatives`` are positive. In percent,
    empty where it would be of nothing: ``precision`` is their share of the modified labels,
    ``recall`` their share of all false negatives, ``modified`` the share of the unobserved labels
    that is modified, and ``base_rate`` the share of false negatives among these.
    """
    rows = []
    for block in blocks(settings):
        for method, title in method_titles(settings).items():
            masks = training_entries(block, method)
            missed = int(masks["false_negatives"].sum())
            unobserved = missed + int(masks["true_negatives"].sum())
            for seed in settings["seeds"]:
                folder = run_path(block.dataset, block.protocol, method, seed)
                rows += [
                    block_columns(
                        block,
                        method=method,
                        seed=seed,
                        epoch=epoch,
                        entries=entries,
                        false_negatives=right,
                        precision=_percent(right, entries),
                        recall=_percent(right, missed),
                        modified=_percent(entries, unobserved),
                        base_rate=_percent(missed, unobserved),
                    )
                    for epoch, entries, right in _modified(folder, title)
                ]
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
                set_title(axes, block.title)
            add_grid(axes)
    legend_outside(figure, *grid[0, 0].get_legend_handles_labels())
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
        "Unobserved training labels whose loss is large and which are therefore rejected (LL-R), "
        "corrected to positive for a step (LL-Ct) or for good (LL-Cp), where those of earlier "
        "epochs count as well. Precision: how many of them are false negatives. Recall: how many "
        "of all false negatives are among them. Right: how many of the unobserved labels they are. "
        "In the first epoch none is modified. Dotted: base rate, the share of false "
        f"negatives among the unobserved labels, {join_words(rates)}. {data_phrase(settings)} "
        f"{join_words(method_titles(settings).values())}, {seeds_phrase(settings)}.{band}"
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
