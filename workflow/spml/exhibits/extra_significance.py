"""Which methods differ from the reference by more than chance: every comparison that was run."""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.settings import blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_number
from spml.plumbing.addresses import comparison_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

RATE = 0.05  # false discovery rate


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row an exhibit, dataset, protocol and method, as :mod:`spml.compare` describes it.

    ``differs`` is whether the corrected p lies below the false discovery rate.
    """
    frames = [
        pd.read_csv(verified(comparison_path(exhibit["key"], **pair))).assign(
            exhibit=exhibit["key"]
        )
        for exhibit in settings["exhibits"]
        for pair in exhibit["comparisons"]
    ]
    table = pd.concat(frames, ignore_index=True)
    table["differs"] = table["corrected_p"] < RATE
    return table


def _verdict(row: dict[str, Any]) -> str:
    if not row["differs"]:
        return "not told apart"
    return "higher" if row["difference"] > 0 else "lower"


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table an exhibit, dataset and protocol, the largest gain first."""
    titles = settings["titles"]
    exhibits = {exhibit["key"]: exhibit["title"] for exhibit in settings["exhibits"]}
    places = {(block.dataset, block.protocol): block.title for block in blocks(settings)}
    tables = []
    groups = frame.groupby(["exhibit", "dataset", "protocol", "reference"], sort=False)
    for (exhibit, dataset, protocol, reference), group in groups:
        rows = [
            [
                titles[row["method"]],
                format_number(row["difference"], sign=True),
                f"{format_number(row['difference_low'], sign=True)} to "
                f"{format_number(row['difference_high'], sign=True)}",
                f"{row['p']:.3f}",
                f"{row['corrected_p']:.3f}",
                _verdict(row),
            ]
            for row in group.sort_values("difference", ascending=False).to_dict("records")
        ]
        header = ["Method", f"Difference to {titles[reference]}", "95 % interval"]
        header += ["p", "Corrected p", "Verdict"]
        tables.append(Table(header, rows, f"{exhibits[exhibit]}, {places[dataset, protocol]}"))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and how it was computed."""
    counts = sorted(frame["seeds"].unique())
    seeds = f"{join_words(counts)} seed{'' if counts == [1] else 's'}"
    resamples = join_words(sorted(frame["resamples"].unique()))
    return (
        "Difference of mean test mAP to the reference, in points, paired over seeds and test "
        f"images ({seeds} a method). Interval and two-sided p come from a bootstrap with "
        f"{resamples} resamples of seeds and test images, the same for all methods; p is corrected "
        "for the number of methods in a table (false discovery rate, Benjamini and Hochberg). "
        f"Higher and lower: corrected p below {RATE:g}."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
