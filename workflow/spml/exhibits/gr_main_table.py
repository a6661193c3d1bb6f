"""Main comparison: test mAP of each method, and its difference to a reference method.

The mean and the sample standard deviation (n - 1) are over seeds. The interval of a difference is
over seeds and test images, both the same for both methods (:mod:`spml.measures.statistics`).

A published number stands beside our run under the protocol that it was made with. Where that was
not run it stands beside the runs that there are, since tables of this kind reprint one another;
where each comes from is in the data and in the caption.
"""

from typing import Any

import numpy as np
import pandas as pd

from spml.data.labels import load_labels
from spml.exhibits.comparison import (
    any_published,
    format_difference,
    format_own,
    format_published,
    mark_best,
    not_run_phrase,
    numbers_beside,
    own_columns,
    published_columns,
    published_only,
    published_phrase,
    ranking_phrase,
)
from spml.exhibits.markdown import Table
from spml.exhibits.published import Published
from spml.exhibits.records import block_columns, read_comparison, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_number
from spml.plumbing.addresses import labels_path, table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

DIFFERENCE_COLUMNS = ("difference", "difference_low", "difference_high", "corrected_p")


def _beside(settings: dict[str, Any], block: Block) -> list[Published]:
    """The published numbers of a block.

    Not those that stand beside a run under their own protocol, in another block. Those of methods
    that are not run stand in the first block of their dataset.
    """
    own = method_titles(settings)
    whole = [one for one in blocks(settings) if one.dataset == block.dataset and not one.frozen]

    def stands_here(number: Published) -> bool:
        if number.method not in own:
            return block == whole[0]
        protocols = {one.protocol for one in whole if one.shows(number.method)}
        return number.protocol == block.protocol or number.protocol not in protocols

    return [number for number in numbers_beside(settings, block) if stands_here(number)]


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method; mAP and differences in percent.

    Differences are empty in the row of the reference, and everywhere where it is not shown.
    ``ranked`` is False for a method that trains on other labels than the protocol's. Methods that
    are published but not run have no mean of ours, and no row where nothing is published.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    methods = method_titles(settings)
    rows = []
    for block in blocks(settings):
        numbers = _beside(settings, block)
        images = len(load_labels(labels_path(block.dataset)).test.images)
        shown = [method for method in methods if block.shows(method)]
        compared = settings["reference"] in shown and len(shown) > 1
        differences = read_comparison(settings, block) if compared else {}
        for method in [*shown, *published_only(settings)]:
            own = own_columns(collected, block, method, "test_map")
            difference = differences.get(method, {})
            published = published_columns(
                numbers,
                own["map_mean"],
                own["map_std"],
                method=method,
                dataset=block.dataset,
                metric="test_map",
            )
            if method not in methods and published["published"] is None:
                continue
            row = block_columns(
                block,
                method=method,
                ranked=block.observation_of(method) == block.observation,
                test_images=images,
                **own,
                **{column: difference.get(column, np.nan) for column in DIFFERENCE_COLUMNS},
                **published,
            )
            rows.append(row)
    return pd.DataFrame(rows)


def _compare(row: dict[str, Any]) -> list[str]:
    """The cells of the difference to the reference."""
    if np.isnan(row["difference"]):
        return [NOTHING, NOTHING]
    interval = format_interval(row["difference_low"], row["difference_high"])
    return [format_number(row["difference"], sign=True), interval]


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol; methods that are not ranked come first."""
    titles = method_titles(settings) | published_only(settings)
    shown = blocks(settings)
    compared, published = frame["difference"].notna().any(), any_published(frame)
    header = ["Method", "mAP (%)", "Seeds"]
    if published:
        header += ["Published", "Ours minus published"]
    if compared:
        header += [f"Difference to {titles[settings['reference']]}", "95 % interval"]
    tables = []
    for block in shown:
        here = select_rows(frame, block).sort_values("ranked", kind="stable").to_dict("records")
        rows = []
        for row in here:
            seeds = str(row["seeds"]) if row["seeds"] else NOTHING
            cells = [titles[row["method"]], format_own(row), seeds]
            if published:
                cells += [format_published(row), format_difference(row)]
            rows.append(cells + (_compare(row) if compared else []))
        marks = {(position, 1): mark for position, mark in mark_best(here).items()}
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def _protocols_phrase(frame: pd.DataFrame) -> str:
    """How many differences are between protocols, with a space before; empty where none is."""
    compared = frame[frame["published_difference"].notna()]
    count = (compared["published_protocol"] != compared["protocol"]).sum()
    return (
        f" {count} of the {len(compared)} differences to published numbers are also between "
        "protocols, since the method was not run under the number's own."
        if count
        else ""
    )


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, from the facts of its runs."""
    titles = method_titles(settings)
    runs = seeds_phrase(settings, "mean ± sample standard deviation over seeds, of")
    images = frame.groupby("dataset", sort=False)["test_images"].first()
    text = (
        f"Test mAP in percent, {runs}, at {selection_phrase(settings)}. {data_phrase(settings)} "
        f"Test images: {join_words(images)}. "
    )
    if frame["difference"].notna().any():
        images = f"test images ({settings['resamples']} resamples)"
        text += (
            f"Differences to {titles[settings['reference']]} are paired; "
            f"{interval_phrase(settings, images, 'their 95 % intervals')} "
        )
    text += ranking_phrase(frame, settings) + published_phrase(frame)
    not_run = frame["method"].isin(list(published_only(settings))).any()
    return text + _protocols_phrase(frame) + (not_run_phrase(settings) if not_run else "")


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
