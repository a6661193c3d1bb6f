"""Validation mAP of each variant in a search: what hyperparameters are chosen by."""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import BEST, Table
from spml.exhibits.records import select_rows
from spml.exhibits.search import LABELS, read_scores
from spml.exhibits.settings import blocks, data_phrase, join_words, seeds_phrase
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_mean
from spml.measures.selection import CRITERIA
from spml.plumbing.addresses import CHOSEN
from spml.plumbing.errors import run_command


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and variant, as :mod:`spml.choose` describes it."""
    return read_scores()


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol."""
    tables = []
    shown = blocks(settings)
    for block in shown:
        here = select_rows(frame, block).to_dict("records")
        rows, marks = [], {}
        for position, row in enumerate(here):
            cells = [row["title"]]
            for column, criterion in enumerate(CRITERIA, start=1):
                deviation = row[f"{criterion}_std"]
                spread = None if pd.isna(deviation) else deviation
                cells.append(format_mean(row[f"{criterion}_mean"], spread, 2))
                if row[f"best_on_{criterion}"]:
                    marks[position, column] = BEST
            chosen = row[f"best_on_{row['selection']}"]
            rows.append([*cells, str(row["seeds"]), "yes" if chosen else ""])
        header = ["Variant", "True labels", "Observed labels", "Seeds", "Chosen"]
        tables.append(Table(header, rows, block.title if len(shown) > 1 else "", marks))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and by what is chosen."""
    titles = {block["protocol"]: block["protocol_title"] for block in settings["blocks"]}
    protocols = {
        criterion: [titles[name] for name in names.unique()]
        for criterion, names in frame.groupby("selection")["protocol"]
    }
    chosen = join_words(
        f"{LABELS[criterion]} ({join_words(names)})" for criterion, names in protocols.items()
    )
    runs = seeds_phrase(settings, "mean ± sample standard deviation over seeds, of")
    return (
        "Validation mAP in percent, the best over epochs, on the true labels of the validation "
        f"images and on those that training could have seen; {runs}. Bold: the best variant of a "
        f"method. Chosen: the best on {chosen}; its values are in {CHOSEN}. Test scores took no "
        f"part. {data_phrase(settings)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
