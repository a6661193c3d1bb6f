"""The pointing game: how often the class activation map of a class peaks in a box of it."""

from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.comparison import (
    any_published,
    format_difference,
    format_published,
    numbers_beside,
    published_columns,
    published_phrase,
)
from spml.exhibits.estimates import difference_columns, interval_columns
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    interval_phrase,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_interval, format_mean, rank_marks
from spml.measures.statistics import Estimate, ratio_influence
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json

MEASURES = ("accuracy", "class_mean")


def _estimate(runs: pd.DataFrame) -> Estimate:
    """Accuracy over all pairs, whose hits and numbers are known for each image."""
    influences = [
        100 * ratio_influence(np.array(row["image_hits"]), np.array(row["image_pairs"]))
        for _, row in runs.iterrows()
    ]
    return Estimate.of_seeds(runs["accuracy"].to_list(), influences)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method; mean and sample deviation (n - 1) in percent.

    ``accuracy`` is over all pairs of an image and a class, ``class_mean`` the mean of that of each
    class. Published numbers and the 95 % interval are of the first, as is the difference to the
    reference.
    """
    rows = []
    for block in blocks(settings):
        numbers = numbers_beside(settings, block)
        found = {
            method: pd.DataFrame(
                [
                    read_json(
                        run_path(block.dataset, block.protocol, method, seed) / "pointing.json"
                    )
                    for seed in settings["seeds"]
                ]
            )
            for method in method_titles(settings)
        }
        estimates = {method: _estimate(runs) for method, runs in found.items()}
        reference = estimates.get(settings.get("reference", ""))
        for method, runs in found.items():
            values = {f"{name}_mean": runs[name].mean() for name in MEASURES}
            values |= {f"{name}_std": runs[name].std(ddof=1) for name in MEASURES}
            published = published_columns(
                numbers,
                values["accuracy_mean"],
                values["accuracy_std"],
                method=method,
                dataset=block.dataset,
                metric="pointing_game",
                protocol=block.protocol,
            )
            rows.append(
                block_columns(
                    block,
                    method=method,
                    pairs=int(runs["pairs"].iloc[0]),
                    ranked=block.observation_of(method) == block.observation,
                    seeds=len(runs),
                    **values,
                    **interval_columns(estimates[method], "accuracy_"),
                    **difference_columns(estimates[method], reference),
                    **published,
                )
            )
    return pd.DataFrame(rows)


def _format(row: dict[Any, Any], measure: str) -> str:
    deviation = row[f"{measure}_std"]
    return format_mean(row[f"{measure}_mean"], None if pd.isna(deviation) else deviation)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """A table a dataset and protocol, a row a method."""
    titles, shown = method_titles(settings), blocks(settings)
    tables = []
    for block in shown:
        rows = select_rows(frame, block).to_dict("records")
        columns = {
            "Method": [titles[row["method"]] for row in rows],
            "Accuracy (%)": [_format(row, "accuracy") for row in rows],
            "95 % interval": [
                format_interval(row["accuracy_low"], row["accuracy_high"], sign=False)
                for row in rows
            ],
        }
        if any_published(frame):
            columns["Published"] = [format_published(row) for row in rows]
            columns["Ours minus published"] = [format_difference(row) for row in rows]
        columns["Mean over classes (%)"] = [_format(row, "class_mean") for row in rows]
        names = list(columns)
        marks = {
            (position, names.index(name)): mark
            for name, measure in zip(("Accuracy (%)", names[-1]), MEASURES, strict=True)
            for position, mark in rank_marks(
                [row[f"{measure}_mean"] if row["ranked"] else None for row in rows]
            ).items()
        }
        cells = [list(row) for row in zip(*columns.values(), strict=True)]
        tables.append(Table(names, cells, block.title if len(shown) > 1 else "", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, with the number of pairs of each dataset."""
    runs = seeds_phrase(settings, "Mean ± sample standard deviation over seeds of")
    shown = blocks(settings)
    pairs = "; ".join(
        f"{select_rows(frame, block)['pairs'].iloc[0]:,} pairs"
        + (f" on {block.title}" if len(shown) > 1 else "")
        for block in shown
    )
    return (
        "Pointing game: share of the pairs of a test image and a class in it whose class "
        "activation map is highest within a box of the class, in percent; the point is the centre "
        "of the map's highest cell, and there is no tolerance around boxes. Accuracy is over all "
        f"pairs, mean over classes the mean of each class's own ({pairs}). "
        f"{runs}, at {selection_phrase(settings)}. {interval_phrase(settings)} "
        f"{data_phrase(settings)} Best "
        f"in bold, second underlined.{published_phrase(frame)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
