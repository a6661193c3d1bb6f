"""Separation of false and true negatives among the unobserved validation entries, by method.

A method that tells them apart gives the false negatives, which are truly positive, higher
predictions. The Wasserstein distance of order 1 between the two distributions says by how much.
"""

from typing import Any

import pandas as pd

from spml.exhibits.comparison import ranking_phrase
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_mean, rank_marks
from spml.exhibits.unobserved import unobserved_scores, wasserstein_distance
from spml.plumbing.errors import run_command

DECIMALS = 3


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method: mean and sample deviation of the distance.

    Distances are in units of probability, and empty where ``observes`` says what a method observes
    so completely that nothing is left to separate.
    """
    rows = []
    for block in blocks(settings):
        runs = [
            {
                "method": run.method,
                "observes": (observed := run.all_observed()),
                "distance": None
                if observed
                else wasserstein_distance(run.false_negatives, run.true_negatives),
            }
            for _, run in unobserved_scores(block, method_titles(settings), settings["seeds"])
        ]
        for method, here in pd.DataFrame(runs).groupby("method", sort=False):
            distances = here["distance"].astype(float)
            rows.append(
                block_columns(
                    block,
                    method=method,
                    ranked=block.observation_of(str(method)) == block.observation,
                    observes=here["observes"].iloc[0],
                    seeds=len(here),
                    distance_mean=distances.mean(),
                    distance_std=distances.std(ddof=1),
                )
            )
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol, of the methods that leave entries unobserved."""
    titles = method_titles(settings)
    shown = blocks(settings)
    tables = []
    for block in shown:
        here = select_rows(frame[frame["observes"] == ""], block).to_dict("records")
        rows = [
            [
                titles[row["method"]],
                format_mean(
                    row["distance_mean"],
                    None if pd.isna(row["distance_std"]) else row["distance_std"],
                    DECIMALS,
                ),
                str(row["seeds"]),
            ]
            for row in here
        ]
        places = rank_marks(
            [row["distance_mean"] if row["ranked"] else None for row in here], DECIMALS
        )
        marks = {(position, 1): mark for position, mark in places.items()}
        header = ["Method", "Wasserstein distance", "Seeds"]
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def _left_out_phrase(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """Which methods have nothing to separate, and why; empty where there are none."""
    titles = method_titles(settings)
    reasons = {
        observed: join_words(titles[name] for name in here["method"].unique())
        for observed, here in frame[frame["observes"] != ""].groupby("observes", sort=False)
    }
    if not reasons:
        return ""
    listed = "; ".join(f"{names} ({observed} is observed)" for observed, names in reasons.items())
    return f" Left out, with nothing to separate: {listed}."


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and which methods it cannot show."""
    spread = ", mean ± sample standard deviation over seeds," if len(settings["seeds"]) > 1 else ""
    ranking = ranking_phrase(frame[frame["observes"] == ""], settings)
    return (
        "Separation of false negatives (present but unobserved) from true negatives among the "
        "unobserved entries of the validation images: Wasserstein distance of order 1 between the "
        f"distributions of their predicted probabilities (larger is better){spread} of "
        f"{seeds_phrase(settings)}, at {selection_phrase(settings)}. {data_phrase(settings)} "
        f"{ranking}{_left_out_phrase(frame, settings)} No published value is available."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
