"""Ablation of GR Loss: its parts changed one at a time, and what that does to test mAP.

What a method changes is read from the records of the runs. Differences are paired: the run with a
seed is compared with the reference's run with that seed, which starts from the same weights, on the
same images.
"""

from typing import Any

import pandas as pd

from spml.exhibits.comparison import format_own, mark_best, own_columns
from spml.exhibits.estimates import difference_columns, map_estimates
from spml.exhibits.hyperparameters import assignment, changed_settings, value_text
from spml.exhibits.markdown import Formulas, Table
from spml.exhibits.records import block_columns, read_record, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    interval_phrase,
    method_titles,
    reference_method,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_number
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command


def _differences(block: Block, method: str, reference: str, seed: int) -> str:
    """What a method changes, in words and formulas; empty where it changes nothing."""
    ours, theirs = (read_record(block, name, seed)["settings"] for name in (method, reference))
    return ", ".join(
        f"{assignment(name, value)} instead of {value_text(other)}"
        for name, (value, other) in changed_settings(ours, theirs).items()
    )


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method: mAP and differences to the reference in percent."""
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    reference, seeds = reference_method(settings), settings["seeds"]
    methods = method_titles(settings)
    rows = []
    for block in blocks(settings):
        estimates = map_estimates(block, methods, seeds, collected)
        for method in methods:
            rows.append(
                block_columns(
                    block,
                    method=method,
                    ranked=block.observation_of(method) == block.observation,
                    differs=_differences(block, method, reference, seeds[0]),
                    **own_columns(collected, block, method, "test_map"),
                    **difference_columns(estimates[method], estimates[reference]),
                )
            )
    return pd.DataFrame(rows)


def _format_difference(row: dict[str, Any]) -> list[str]:
    if pd.isna(row["difference"]):
        return [NOTHING, NOTHING]
    return [
        format_number(row["difference"], sign=True),
        format_interval(row["difference_low"], row["difference_high"]),
    ]


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol."""
    titles, reference = method_titles(settings), settings["reference"]
    shown = blocks(settings)
    name = titles[reference]
    header = ["Method", "What differs", "mAP (%)", "Seeds", f"Difference to {name}"]
    header.append("95 % interval")
    tables = []
    for block in shown:
        here = select_rows(frame, block).to_dict("records")
        rows = [
            [
                titles[row["method"]],
                NOTHING if row["method"] == reference else Formulas(row["differs"] or "nothing"),
                format_own(row),
                str(row["seeds"]),
                *_format_difference(row),
            ]
            for row in here
        ]
        marks = {(position, 2): mark for position, mark in mark_best(here).items()}
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and what it cannot be compared with."""
    title = method_titles(settings)[settings["reference"]]
    several = len(settings["seeds"]) > 1
    spread = ", mean ± sample standard deviation over seeds," if several else ""
    paired = ", paired by seed" if several else ""
    text = (
        f"Ablation of {title}: test mAP in percent{spread} of {seeds_phrase(settings)}, at "
        f"{selection_phrase(settings)}, and the difference to {title} in points{paired}. "
        f"{interval_phrase(settings)} {data_phrase(settings)} What differs from {title} is read "
        "from the records of the runs. "
    )
    others = frame[frame["method"] != settings["reference"]]
    if (others["differs"] == "").any():
        text += (
            f"Where nothing differs, {title} has that setting on the dataset already, and the runs "
            "differ by the chance of a GPU's arithmetic at most. "
        )
    return text + (
        "Best in bold, second underlined. The published numbers of the ablation were not found by "
        "us, so there are none to compare with."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
