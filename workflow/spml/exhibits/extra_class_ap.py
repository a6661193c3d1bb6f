"""Average precision of each class, method beside method, the most frequent class first.

Classes of a dataset that has many are shown in ten groups of equal size.
"""

from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.classes import GROUPS, class_precisions, read_classes
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_number, rank_marks
from spml.plumbing.errors import run_command

MOST = 100  # classes that have a row each


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method and class: AP in percent, the mean over seeds and its deviation.

    ``positives`` are the training images in which the class is present, ``group`` is where it
    stands, from 1 for the most frequent. ``ranked`` methods see the labels of the protocol.
    """
    frames = []
    for block in blocks(settings):
        classes = read_classes(block, MOST)
        for method in method_titles(settings):
            precisions = class_precisions(block, method, settings["seeds"])
            several = len(precisions) > 1
            columns = block_columns(
                block,
                method=method,
                ranked=block.observation_of(method) == block.observation,
                class_name=classes.names,
                positives=classes.positives,
                group=classes.groups,
                seeds=len(precisions),
                ap=precisions.mean(axis=0),
                std=precisions.std(axis=0, ddof=1) if several else np.nan,
            )
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _name(members: pd.DataFrame, before: int) -> str:
    """A class, or the places of the classes of a group."""
    if len(members) == 1:
        return str(members["class_name"].iloc[0])
    return f"{before + 1} to {before + len(members)}"


def _table(here: pd.DataFrame, titles: dict[str, str], title: str) -> Table:
    ranked = here.groupby("method")["ranked"].first()
    rows, marks, before = [], {}, 0
    for _, members in here.groupby("group"):
        own = members[members["method"] == members["method"].iloc[0]]
        means = members.groupby("method")["ap"].mean()
        values = [None if pd.isna(means[method]) else float(means[method]) for method in titles]
        rows.append(
            [
                _name(own, before),
                f"{own['positives'].mean():,.0f}",
                *(NOTHING if value is None else format_number(value) for value in values),
            ]
        )
        best = rank_marks(
            [
                value if ranked[method] else None
                for method, value in zip(titles, values, strict=True)
            ]
        )
        marks.update({(len(rows) - 1, 2 + column): mark for column, mark in best.items()})
        before += len(own)
    return Table(["Class", "Positives", *titles.values()], rows, title, marks)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """A table a dataset and protocol, a row a class or group of classes."""
    shown = blocks(settings)
    return [
        _table(
            select_rows(frame, block),
            method_titles(settings),
            block.title if len(shown) > 1 else "",
        )
        for block in shown
    ]


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and of which datasets the classes stand in groups."""
    sizes = {
        block.title: select_rows(frame, block)["class_name"].nunique() for block in blocks(settings)
    }
    many = [f"the {size:,} of {title}" for title, size in sizes.items() if size > MOST]
    groups = (
        f" Classes stand in {GROUPS} groups of equal size, by their places from the most frequent "
        f"on, where there are many: {join_words(many)}; positives and AP are means over the group "
        "there."
        if many
        else ""
    )
    return (
        "Average precision of each class on the test images, in percent: "
        f"{seeds_phrase(settings, 'mean of')}, at {selection_phrase(settings)}. Positives: "
        "training images in which the class is present, observed or not; the most frequent class "
        f"comes first.{groups} {data_phrase(settings)} Best of a row in bold, second underlined, "
        "among methods that see the labels of the protocol."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
