"""Artificial partial labels: test mAP of each method under each protocol, beside the published.

In the Large Loss paper the protocols are training end to end and from a linear initialisation.
"""

from typing import Any

import pandas as pd

from spml.exhibits.comparison import (
    any_published,
    format_difference,
    format_own,
    format_published,
    mark_best,
    numbers_beside,
    own_columns,
    published_columns,
    published_phrase,
    ranking_phrase,
)
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method; mAP and differences in percent."""
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    for block in blocks(settings):
        numbers = numbers_beside(settings, block)
        for method in method_titles(settings):
            own = own_columns(collected, block, method, "test_map")
            published = published_columns(
                numbers,
                own["map_mean"],
                own["map_std"],
                method=method,
                dataset=block.dataset,
                metric="test_map",
                protocol=block.protocol,
            )
            ranked = block.observation_of(method) == block.observation
            rows.append(block_columns(block, method=method, ranked=ranked, **own, **published))
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset, with columns for each protocol; methods not ranked come first."""
    titles = method_titles(settings)
    datasets = {block["dataset"]: block["dataset_title"] for block in settings["blocks"]}
    protocols = {block["protocol"]: block["protocol_title"] for block in settings["blocks"]}
    cells = {
        (row["dataset"], row["protocol"], row["method"]): row for row in frame.to_dict("records")
    }
    ranked = frame.groupby("method")["ranked"].all()
    methods = sorted(titles, key=lambda method: bool(ranked[method]))
    tables = []
    for dataset, dataset_title in datasets.items():
        seeds = frame[frame["dataset"] == dataset].groupby("method")["seeds"].max()
        columns = {
            "Method": [titles[m] for m in methods],
            "Seeds": [str(seeds[m]) for m in methods],
        }
        marks: dict[tuple[int, int], str] = {}
        for protocol, protocol_title in protocols.items():
            here = [cells.get((dataset, protocol, method)) for method in methods]
            name = f"{protocol_title}: " if len(protocols) > 1 else ""
            marks |= {(row, len(columns)): mark for row, mark in mark_best(here).items()}
            columns[f"{name}mAP (%)"] = [format_own(cell) for cell in here]
            if any_published(frame[frame["protocol"] == protocol]):
                columns[f"{name}published"] = [format_published(cell) for cell in here]
                columns[f"{name}difference"] = [format_difference(cell) for cell in here]
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        title = dataset_title if len(datasets) > 1 else ""
        tables.append(Table(list(columns), rows, title, marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, from the facts of its runs."""
    runs = seeds_phrase(settings, "mean ± sample standard deviation over seeds, of")
    return (
        f"Test mAP in percent, {runs}, at {selection_phrase(settings)}. {data_phrase(settings)} "
        f"{ranking_phrase(frame, settings)}{published_phrase(frame)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
