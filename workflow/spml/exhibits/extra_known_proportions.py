"""Test mAP against the share of labels that are known, positive and negative ones alike.

`gr_known_10` is `gr` where each entry of the training labels is shown with a chance of 10 %.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spml.exhibits.comparison import (
    PUBLISHED_COLUMNS,
    any_published,
    format_own,
    format_published,
    not_run_phrase,
    numbers_beside,
    own_columns,
    published_columns,
    published_only,
    published_phrase,
)
from spml.exhibits.estimates import difference_columns, interval_columns, map_estimates
from spml.exhibits.markdown import Table
from spml.exhibits.published import Published
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    curve_title,
    data_phrase,
    interval_phrase,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_number, rank_marks
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

METRIC = "test_map_{}_percent_known"  # of published numbers
MEAN = "test_map_mean_of_10_to_90_percent_known"
EVERY = tuple(range(10, 100, 10))


def base_of(method: str) -> str:
    """The method whose labels are thinned out: ``gr`` of ``gr_known_10``."""
    return re.sub(r"_known_\d+$", "", method)


def _percent(block: Block, method: str) -> int:
    """The share of known labels that a method trains on, in percent."""
    observation = block.observation_of(method)
    if observation not in block.known_shares:
        raise UserError(
            f"extra_known_proportions shows {method}, which trains on {observation}; it needs "
            "methods on observations with a share of known labels, such as gr_known_10"
        )
    return round(100 * block.known_shares[observation])


def _published_percents(numbers: Sequence[Published], block: Block, base: str) -> set[int]:
    percents = {METRIC.format(percent): percent for percent in EVERY}
    return {
        percents[number.metric]
        for number in numbers
        if (number.method, number.dataset) == (base, block.dataset) and number.metric in percents
    }


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, method and share, our own or published; mAP in percent.

    ``percent`` is the share, and empty for the mean over 10 %, 20 %, ... and 90 %, of which there
    are published values alone. ``low`` and ``high`` are the 95 % interval of ``map_mean``;
    ``difference`` is that to the reference on the same labels, with its interval.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    titles = method_titles(settings)
    rows = []
    for block in blocks(settings):
        numbers = numbers_beside(settings, block)
        estimates = map_estimates(block, titles, settings["seeds"], collected)
        names = {(base_of(name), _percent(block, name)): name for name in titles}
        bases = {base_of(name): curve_title(title) for name, title in titles.items()}
        for base, title in (bases | published_only(settings)).items():
            own = {percent for other, percent in names if other == base}
            for percent in [*sorted(own | _published_percents(numbers, block, base)), None]:
                metric = MEAN if percent is None else METRIC.format(percent)
                cell: dict[str, Any] = {"seeds": 0, "map_mean": float("nan"), "map_std": None}
                name = names.get((base, percent or 0))
                if name is not None:
                    reference = names.get((base_of(settings["reference"]), percent or 0))
                    cell = {
                        **own_columns(collected, block, name, "test_map"),
                        **interval_columns(estimates[name]),
                        **difference_columns(
                            estimates[name], None if reference is None else estimates[reference]
                        ),
                    }
                published = published_columns(
                    numbers,
                    cell["map_mean"],
                    cell["map_std"],
                    method=base,
                    dataset=block.dataset,
                    metric=metric,
                )
                if name is None and published["published"] is None:
                    continue
                rows.append(
                    block_columns(
                        block, method=base, title=title, percent=percent, **cell, **published
                    )
                )
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys(key for row in rows for key in row)))
    return frame.astype({"percent": "Int64"}).reindex(
        columns=[*(key for key in frame if key not in PUBLISHED_COLUMNS), *PUBLISHED_COLUMNS]
    )


def _mean(cells: Mapping[int, Any], percents: Sequence[int]) -> str:
    """The mean over the shares that are shown, where there is a run of each."""
    values = [cells[p]["map_mean"] for p in percents if p in cells]
    if len(values) < len(percents) or any(map(pd.isna, values)):
        return NOTHING
    return format_number(sum(values) / len(values))


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol: a column a share, and a row below ours for published."""
    tables, shown = [], blocks(settings)
    for block in shown:
        here = select_rows(frame, block)
        percents = sorted(set(here["percent"].dropna().astype(int)))
        rows: list[list[str]] = []
        own = []
        for _, line in here.groupby("method", sort=False):
            cells = {
                0 if pd.isna(row["percent"]) else int(row["percent"]): row
                for row in line.to_dict("records")
            }
            title = line["title"].iloc[0]
            if (line["seeds"] > 0).any():
                own.append((len(rows), cells))
                ours = [format_own(cells.get(percent)) for percent in percents]
                rows.append([title, *ours, _mean(cells, percents)])
            if line["published"].notna().any():
                printed = [format_published(cells.get(percent)) for percent in [*percents, 0]]
                rows.append([f"{title}, published", *printed])
        marks = {}
        for column, percent in enumerate(percents, start=1):
            values = [
                cells[percent]["map_mean"] if percent in cells and cells[percent]["seeds"] else None
                for _, cells in own
            ]
            for place, mark in rank_marks(values).items():
                marks[own[place][0], column] = mark
        header = ["Method", *(f"{percent} % known" for percent in percents), "Mean"]
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and what its published numbers are of."""
    text = (
        "Test mAP (%) where each entry of the training labels, positive or negative, is known with "
        "the chance given; what is known at a share is known at larger ones too. Mean: over the "
        "shares shown; of published numbers, over 10 %, 20 %, ... and 90 %. Best of ours in bold, "
        f"second underlined. {seeds_phrase(settings, 'Mean of')}, at "
        f"{selection_phrase(settings)}. {data_phrase(settings)} Its own observed labels are not "
        f"used here. {interval_phrase(settings, subject='95 % intervals, in the data,')}"
    )
    if any_published(frame):
        text += published_phrase(frame) + not_run_phrase(settings)
    return text


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
