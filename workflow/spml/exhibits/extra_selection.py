"""What choosing on observed validation labels costs, which is all that one has in practice.

This exhibit reads test scores, of variants that were chosen without them.
"""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.records import select_rows
from spml.exhibits.search import read_scores, varied
from spml.exhibits.settings import blocks, data_phrase, seeds_phrase
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_mean, format_number
from spml.measures.selection import CRITERIA
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command


def _chosen(candidates: pd.DataFrame, criterion: str, collected: pd.DataFrame) -> dict[str, Any]:
    """The variant that a criterion chooses, with its test mAP at the epoch that its runs selected.

    Of protocols that are alike, the one whose runs select their epoch by that criterion.
    """
    own = candidates[candidates["selection"] == criterion]
    best = (candidates if own.empty else own).query(f"best_on_{criterion}").iloc[0]
    runs = collected[
        (collected["dataset"] == best["dataset"])
        & (collected["protocol"] == best["protocol"])
        & (collected["method"] == best["variant"])
    ]
    scores = runs.loc[runs["metric"] == "test_map", "value"]
    return {
        f"{criterion}_protocol": best["protocol"],
        f"{criterion}_variant": best["variant"],
        f"{criterion}_title": best["title"],
        f"{criterion}_epoch": runs.loc[runs["metric"] == "selected_epoch", "value"].mean(),
        f"{criterion}_mean": scores.mean(),
        f"{criterion}_std": scores.std(ddof=1),
    }


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset and method, and each set of protocols that differ in their selection alone.

    ``cost`` is test mAP of the choice on true labels minus that on observed ones, in points.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    groups = read_scores().groupby(["dataset", "alike", "method"], sort=False)
    for (dataset, protocol, method), candidates in groups:
        row = {"dataset": dataset, "protocol": protocol, "method": method}
        row |= {"method_title": candidates["method_title"].iloc[0]}
        row |= {"seeds": candidates["seeds"].iloc[0]}
        for criterion in CRITERIA:
            row |= _chosen(candidates, criterion, collected)
        rows.append({**row, "cost": row["clean_mean"] - row["observed_mean"]})
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol."""
    shown = [block for block in blocks(settings) if len(select_rows(frame, block))]
    header = ["Method", "On true labels", "Epoch", "Test mAP (%)"]
    header += ["On observed labels", "Epoch", "Test mAP (%)", "Cost"]
    tables = []
    for block in shown:
        rows = []
        for row in select_rows(frame, block).to_dict("records"):
            cells = [row["method_title"]]
            for criterion in CRITERIA:
                deviation = row[f"{criterion}_std"]
                cells += [
                    varied(row[f"{criterion}_title"]),
                    format_number(row[f"{criterion}_epoch"]),
                    format_mean(
                        row[f"{criterion}_mean"], None if pd.isna(deviation) else deviation
                    ),
                ]
            rows.append([*cells, format_number(row["cost"], sign=True)])
        tables.append(Table(header, rows, block.title if len(shown) > 1 else ""))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, that it reads test scores, and whose epochs these are."""
    text = (
        "Test mAP of the variant with the best validation mAP on true labels, as the papers "
        "choose, and on observed labels, which is what one has in practice; cost: the difference "
        "in points; "
        f"{seeds_phrase(settings, 'mean ± sample standard deviation over seeds, of')}; epoch: the "
        "mean of those selected. Test scores are shown here and chose nothing. "
        f"{data_phrase(settings)}"
    )
    if (frame["clean_protocol"] == frame["observed_protocol"]).any():
        text += (
            " Where a protocol is shown without one that differs from it in its selection alone, "
            "both choices are between the same runs, with the epochs that these selected."
        )
    return text


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
