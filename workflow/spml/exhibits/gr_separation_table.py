"""Separation of false and true negatives among the unobserved validation entries, by method.

A method that tells them apart gives the false negatives, which are truly positive, higher
predictions. The area under the ROC curve says how often. The Wasserstein distance of order 1
between the two distributions, which the paper's code measures, says by how much, in units of
probability: so it also grows with the scale of the predictions.
"""

from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.comparison import ranking_phrase
from spml.exhibits.estimates import difference_columns, interval_columns
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_interval, format_mean, rank_marks
from spml.exhibits.unobserved import (
    Unobserved,
    separation_estimate,
    unobserved_scores,
    wasserstein_distance,
)
from spml.measures.statistics import Estimate
from spml.plumbing.errors import run_command

DECIMALS = 3


def _columns(runs: list[Unobserved], observes: str) -> tuple[dict[str, Any], Estimate | None]:
    """Columns of one method, and the estimate of its area; nothing where nothing is left."""
    if observes:
        names = ("area", "area_low", "area_high", "distance_mean", "distance_std")
        return dict.fromkeys(names, np.nan), None
    estimate = separation_estimate(runs)
    distances = pd.Series(
        [wasserstein_distance(run.false_negatives, run.true_negatives) for run in runs]
    )
    columns = {
        "area": estimate.mean,
        **interval_columns(estimate, "area_"),
        "distance_mean": distances.mean(),
        "distance_std": distances.std(ddof=1),
    }
    return columns, estimate


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method.

    ``area`` is the mean area under the ROC curve over seeds, with its 95 % interval, and
    ``difference`` that to the reference, paired. Distances are in units of probability, mean and
    sample deviation. All are empty where ``observes`` says what a method observes so completely
    that nothing is left to separate.
    """
    rows = []
    for block in blocks(settings):
        runs: dict[str, list[Unobserved]] = {}
        for _, run in unobserved_scores(block, method_titles(settings), settings["seeds"]):
            runs.setdefault(run.method, []).append(run)
        observes = {method: of_seeds[0].all_observed() for method, of_seeds in runs.items()}
        found = {method: _columns(runs[method], observes[method]) for method in runs}
        _, reference = found.get(settings.get("reference", ""), ({}, None))
        for method, (columns, estimate) in found.items():
            rows.append(
                block_columns(
                    block,
                    method=method,
                    ranked=block.observation_of(method) == block.observation,
                    observes=observes[method],
                    seeds=len(runs[method]),
                    **columns,
                    **difference_columns(estimate, reference),
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
                f"{row['area']:.{DECIMALS}f}",
                format_interval(row["area_low"], row["area_high"], DECIMALS, sign=False),
                format_mean(
                    row["distance_mean"],
                    None if pd.isna(row["distance_std"]) else row["distance_std"],
                    DECIMALS,
                ),
                str(row["seeds"]),
            ]
            for row in here
        ]
        places = rank_marks([row["area"] if row["ranked"] else None for row in here], DECIMALS)
        marks = {(position, 1): mark for position, mark in places.items()}
        header = ["Method", "Area under ROC", "95 % interval", "Wasserstein distance", "Seeds"]
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
    several = len(settings["seeds"]) > 1
    area = ", mean over seeds" if several else ""
    spread = ", mean ± sample standard deviation over seeds" if several else ""
    ranking = ranking_phrase(frame[frame["observes"] == ""], settings)
    return (
        "Separation of false negatives (present but unobserved) from true negatives among the "
        "unobserved entries of the validation images. Area under the ROC curve: probability that a "
        f"false negative is predicted higher than a true negative{area}; 0.5 is chance. "
        "Wasserstein distance of order 1, which the paper's code measures: mean shift of predicted "
        f"probability that turns one distribution into the other{spread}; it rewards the scale of "
        f"predictions too. {seeds_phrase(settings).capitalize()}, at {selection_phrase(settings)}. "
        f"{interval_phrase(settings, 'validation images')} {data_phrase(settings)} The area is "
        "ranked. "
        f"{ranking}{_left_out_phrase(frame, settings)} No published value is available."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
