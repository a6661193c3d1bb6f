"""Real partial labels: test mAP of groups of classes, from rarely to often annotated ones.

Where a dataset is annotated in full there are no groups, and mAP over all classes stands alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.comparison import (
    Cell,
    any_published,
    format_difference,
    format_own,
    format_published,
    mark_best,
    not_run_phrase,
    own_columns,
    published_columns,
    published_numbers,
    published_only,
    published_phrase,
    ranking_phrase,
)
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.measures.statistics import confidence_interval
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

GROUP = "test_map_g"  # and the number of the group
ALL = "test_map"


def _metrics(names: pd.Series) -> list[str]:
    """The groups that runs have, in order, and then all classes."""
    groups = [name for name in names.unique() if name.startswith(GROUP)]
    return [*sorted(groups, key=lambda name: int(name.removeprefix(GROUP))), ALL]


def _difference(
    collected: pd.DataFrame, block: Block, method: str, reference: str, metric: str
) -> dict[str, float]:
    """The difference to the reference seed by seed, with its interval over seeds alone.

    Predictions for thousands of classes are too large to ask what other images would do.
    """
    values = collected[collected["metric"] == metric]
    ours, theirs = (
        select_rows(values, block, name).set_index("seed")["value"] for name in (method, reference)
    )
    found = (ours - theirs).dropna().to_numpy()
    low = high = np.nan
    if len(found) > 1:
        low, high = confidence_interval(found, np.zeros(1))
    mean = float(found.mean()) if len(found) and method != reference else np.nan
    return {"difference": mean, "difference_low": low, "difference_high": high}


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, method and group; mAP and differences in percent.

    ``difference`` is that to the reference, with its 95 % interval over seeds alone. Methods that
    are published but not run have no mean of ours.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    numbers = published_numbers(settings)
    rows = []
    for block in blocks(settings):
        for method in [*method_titles(settings), *published_only(settings)]:
            for metric in _metrics(select_rows(collected, block)["metric"]):
                own = own_columns(collected, block, method, metric)
                published = published_columns(
                    numbers,
                    own["map_mean"],
                    own["map_std"],
                    method=method,
                    dataset=block.dataset,
                    metric=metric,
                    protocol=block.protocol,
                )
                ranked = block.observation_of(method) == block.observation
                cell = {"method": method, "metric": metric, "ranked": ranked}
                difference = _difference(
                    collected, block, method, settings.get("reference", ""), metric
                )
                rows.append(block_columns(block, **cell, **own, **difference, **published))
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """For each dataset and protocol ours and, where there are any, published and differences."""
    titles = method_titles(settings)
    not_run = published_only(settings)
    metrics = _metrics(frame["metric"])
    header = ["Method", *(name.removeprefix(GROUP[:-1]).upper() for name in metrics[:-1]), "All"]
    tables = []
    for block in blocks(settings):
        here = select_rows(frame, block)
        cells = {(row["method"], row["metric"]): row for row in here.to_dict("records")}

        def rows(
            methods: dict[str, str],
            show: Callable[[Cell | None], str],
            cells: dict[Any, Any] = cells,
        ) -> list[list[str]]:
            return [
                [title, *(show(cells.get((method, metric))) for metric in metrics)]
                for method, title in methods.items()
            ]

        marks = {
            (row, column): mark
            for column, metric in enumerate(metrics, start=1)
            for row, mark in mark_best([cells.get((name, metric)) for name in titles]).items()
        }
        tables.append(Table(header, rows(titles, format_own), block.title, marks))
        if any_published(here):
            published = rows(titles | not_run, format_published)
            tables.append(Table(header, published, f"{block.title}, published"))
            differences = rows(titles, format_difference)
            tables.append(Table(header, differences, f"{block.title}, ours minus published"))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, from the facts of its runs."""
    runs = seeds_phrase(settings, "mean ± sample standard deviation over seeds, of")
    text = f"Test mAP in percent, {runs}, at {selection_phrase(settings)}. {data_phrase(settings)} "
    groups = len(_metrics(frame["metric"])) - 1
    if groups:
        text += (
            f"G1 to G{groups}: groups of equally many classes, from the fewest training "
            "annotations to the most; a class without annotated test images does not count. "
        )
    else:
        text += "All entries are annotated, so classes form no groups. "
    text += ranking_phrase(frame, settings) + published_phrase(frame)
    if any_published(frame):
        text += not_run_phrase(settings)
    return text


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
