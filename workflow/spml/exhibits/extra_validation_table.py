"""Validation mAP of each method: what hyperparameters are chosen by. Test scores take no part."""

from typing import Any

import pandas as pd

from spml.exhibits.comparison import own_columns
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase, method_titles, seeds_phrase
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_mean, rank_marks
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method: mean and sample deviation of mAP in percent."""
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    return pd.DataFrame(
        [
            block_columns(block, method=method, **own_columns(collected, block, method, "val_map"))
            for block in blocks(settings)
            for method in method_titles(settings)
        ]
    )


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol."""
    titles = method_titles(settings)
    shown = blocks(settings)
    tables = []
    for block in shown:
        here = select_rows(frame, block).to_dict("records")
        rows = [
            [
                titles[row["method"]],
                format_mean(
                    row["map_mean"], None if pd.isna(row["map_std"]) else row["map_std"], 2
                ),
                str(row["seeds"]),
            ]
            for row in here
        ]
        places = rank_marks([row["map_mean"] for row in here], 2)
        marks = {(position, 1): mark for position, mark in places.items()}
        header = ["Method", "Validation mAP (%)", "Seeds"]
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows."""
    runs = seeds_phrase(settings, "mean ± sample standard deviation over seeds, of")
    return (
        f"Validation mAP in percent at the selected epoch, {runs}. {data_phrase(settings)} Best in "
        "bold, second underlined."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
