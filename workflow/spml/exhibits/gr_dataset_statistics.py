"""Statistics of the datasets: how many images, classes and positives, and how many go unobserved.

Positives are counted over the training images. Published sizes, where there are any, stand in a
table of their own.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits.comparison import (
    Cell,
    any_published,
    format_difference,
    format_published,
    published_columns,
    published_numbers,
    published_phrase,
)
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import Block, blocks, data_phrase
from spml.exhibits.table import table_command
from spml.plumbing.addresses import labels_path, observed_path
from spml.plumbing.errors import run_command

DIFFERENCE = "Ours minus published"

# Heading and decimals of each statistic.
STATISTICS = {
    "train_images": ("Train", 0),
    "val_images": ("Val", 0),
    "test_images": ("Test", 0),
    "classes": ("Classes", 0),
    "mean_positives": ("Positives", 2),
    "positive_share": ("Positives (%)", 1),
    "observed_positives": ("Observed", 2),
    "missing_positives": ("Missing", 2),
    "missing_share": ("Missing (%)", 1),
}


def statistics(block: Block) -> dict[str, float]:
    """Each statistic of one dataset under one protocol; shares in percent."""
    labels = load_labels(labels_path(block.dataset))
    observation = load_observation(observed_path(block.dataset, block.protocol, block.observation))
    rows, annotated = observation.train, labels.train.annotated
    images, classes = len(rows), len(labels.classes)
    entries = images * classes if annotated is None else int(annotated[rows].sum())
    positives = int(labels.train.truth[rows].sum())
    observed = int((observation.observed[rows] == 1).sum())
    return {
        "train_images": images,
        "val_images": len(observation.val),
        "test_images": len(labels.test.images),
        "classes": classes,
        "mean_positives": positives / images,
        "positive_share": 100 * positives / entries,
        "observed_positives": observed / images,
        "missing_positives": (positives - observed) / images,
        "missing_share": 100 * (positives - observed) / positives,
    }


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and statistic."""
    numbers = published_numbers(settings)
    rows = []
    for block in blocks(settings):
        for name, value in statistics(block).items():
            published = published_columns(
                numbers, value, 0.0, method="", dataset=block.dataset, metric=name
            )
            rows.append(block_columns(block, statistic=name, value=value, **published))
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """Ours and, where there are any, published numbers and differences; a row a dataset."""
    shown = blocks(settings)
    header = ["Dataset", *(heading for heading, _ in STATISTICS.values())]

    def own(cell: Cell) -> str:
        return f"{cell['value']:,.{STATISTICS[cell['statistic']][1]}f}"

    def difference(cell: Cell) -> str:
        return format_difference(cell, STATISTICS[cell["statistic"]][1])

    parts: list[tuple[str, Callable[[Cell], str]]] = [("", own)]
    if any_published(frame):
        parts = [("Ours", own), ("Published", format_published), (DIFFERENCE, difference)]
    tables = []
    for title, show in parts:
        rows = []
        for block in shown:
            here = select_rows(frame, block)
            if show is own or any_published(here):
                rows.append([block.title, *map(show, here.to_dict("records"))])
        tables.append(Table(header, rows, title))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and how its columns are counted."""
    text = (
        "Statistics of the datasets. Train, val, test: numbers of images. Positives, observed and "
        "missing: means of a training image, where a positive that is not observed is missing. "
        "Positives (%): share of the annotated training entries; missing (%): share of the "
        f"positives. {data_phrase(settings)}"
    )
    return text + (published_phrase(frame) or " No published value is available.")


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
