"""Which methods differ by more than chance: every two of those that are compared, as a matrix.

The rows of a matrix go from the highest test mAP to the lowest, and its columns are numbered like
its rows. Above the diagonal stand the differences of row and column, below it the corrected p.
"""

from typing import Any

import pandas as pd

from spml.exhibits.compared import RATE, compared_groups, pairs
from spml.exhibits.markdown import BEST, Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_number, format_p
from spml.plumbing.errors import run_command

COLUMNS = [
    *("dataset", "protocol", "group", "method", "other", "seeds", "resamples"),
    *("map", "other_map", "difference", "p", "p_at_most", "corrected_p", "differs"),
]


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row two methods of a group of a block, as :func:`spml.exhibits.compared.pairs` has it."""
    frames = []
    for block in blocks(settings):
        for group in compared_groups(block, settings):
            constant = block_columns(
                block,
                group=join_words(group.exhibits),
                seeds=group.found.seed_map.shape[1],
                resamples=group.found.resampled.shape[1],
            )
            frames.append(pairs(group.found).assign(**constant))
    return pd.concat(frames, ignore_index=True)[COLUMNS]


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One matrix a block and group."""
    titles = settings["titles"]
    tables = []
    for block in blocks(settings):
        for name, group in select_rows(frame, block).groupby("group", sort=False):
            pairs = {(row["method"], row["other"]): row for row in group.to_dict("records")}
            first = group.iloc[0]["method"]
            mean = {first: group.iloc[0]["map"]} | {
                row["other"]: row["other_map"] for row in group.to_dict("records")
            }
            order = list(mean)
            rows, marks = [], {}
            for row, method in enumerate(order):
                cells = [f"{row + 1} {titles[method]}", format_number(mean[method])]
                for column, other in enumerate(order):
                    if row == column:
                        cells.append(NOTHING)
                    elif row < column:
                        found = pairs[method, other]
                        cells.append(format_number(found["difference"], sign=True))
                        if found["differs"]:
                            marks[row, column + 2] = BEST
                    else:
                        found = pairs[other, method]
                        cells.append(format_p(found["corrected_p"], at_most=found["p_at_most"]))
                rows.append(cells)
            header = ["Method", "mAP (%)", *(str(place + 1) for place in range(len(order)))]
            tables.append(Table(header, rows, f"{name}, {block.title}", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How a matrix is read, how many pairs differ, and how that was computed."""
    counts = sorted(frame["seeds"].unique())
    seeds = f"{join_words(counts)} seed{'' if counts == [1] else 's'}"
    resamples = join_words(sorted(frame["resamples"].unique()))
    over = "test images alone" if counts == [1] else "seeds and test images"
    bound = " ≤: less than one resample lies beyond zero." if frame["p_at_most"].any() else ""
    return (
        "Every two methods compared. Above the diagonal: test mAP of the row minus that of the "
        "column, in points; bold where they differ by more than chance, that is where the "
        f"corrected p lies below {RATE:g}. Below the diagonal: that p, two-sided, over {over} "
        f"({seeds} a method, {resamples} resamples of the images), the same for both methods; it "
        "is corrected for all pairs of a matrix (false discovery rate, Benjamini and Hochberg)."
        f"{bound} {frame['differs'].sum()} of {len(frame)} pairs differ. No p covers another draw "
        "of the observed labels."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
