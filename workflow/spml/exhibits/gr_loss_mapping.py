"""How known losses read in the generalized loss of GR: k, v, L1, L2 and L3 of each.

An observed positive costs L1, an unobserved entry v [k L2 + (1 - k) L3], and an observed negative
-log(1 - p), or what an unobserved entry does where the loss's own paper says so. The formulas are
the losses' own, from the objects that train.
"""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Formulas, Table
from spml.exhibits.settings import join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING
from spml.plumbing.addresses import MAPPING_TABLE
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

REGULARISED = ("epr", "gpr")
COLUMNS = ["k", "v", "L1", "L2", "L3"]


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a loss with its formulas; empty where it cannot be expressed, with the reason."""
    mapping = pd.read_csv(verified(MAPPING_TABLE), keep_default_na=False)
    titles = {loss["name"]: loss["title"] for loss in settings["losses"]}
    shown = mapping.set_index("method").loc[list(titles)].reset_index()
    return shown.assign(title=shown["method"].map(titles))


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """The table of formulas; a part that plays no role is a dash."""
    header = ["Loss", *map(Formulas, ("$k$", "$v$", "$L_1$", "$L_2$", "$L_3$"))]
    rows = [
        [row["title"], *(Formulas(row[column] or NOTHING) for column in COLUMNS)]
        for row in frame.to_dict("records")
    ]
    return [Table(header, rows)]


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and which losses are outside."""
    text = (
        "Known losses in the generalized loss of GR. An observed positive costs L1 and an "
        "unobserved entry v [k L2 + (1 - k) L3], with p the predicted probability and z its logit; "
        "an observed negative costs -log(1 - p), or what an unobserved entry does where the "
        "loss's own paper says so."
    )
    regularised = frame.loc[frame["method"].isin(REGULARISED), "title"]
    if len(regularised):
        text += (
            f" Left out: the regulariser of {join_words(regularised)}, which is of the mean "
            "prediction of a batch and outside the mean over entries."
        )
    outside = frame[(frame[COLUMNS] == "").all(axis=1)]
    if len(outside):
        reasons = (
            f"{title}, since {reason}" if reason else title
            for title, reason in zip(outside["title"], outside["outside"], strict=True)
        )
        text += f" Not of this form: {'; '.join(reasons)}."
    return text


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
