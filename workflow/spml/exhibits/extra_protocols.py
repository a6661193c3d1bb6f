"""What a protocol makes of a method: test mAP under every two protocols that it was run under.

Runs are paired by seed, and scored on the same test images and on the same resamples of them.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.compared import Group, compared_groups
from spml.exhibits.markdown import Table
from spml.exhibits.settings import blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import format_interval, format_number
from spml.measures.statistics import Resampled
from spml.plumbing.errors import UserError, run_command

COLUMNS = [
    *("dataset", "method", "protocol", "other_protocol", "seeds", "resamples"),
    *("map", "other_map", "difference", "difference_low", "difference_high"),
]


def _paired(group: Group) -> tuple[Any, ...]:
    """What two groups have in common whose runs are paired."""
    return group.seeds, group.found.resampled.shape[1]


def _across(protocols: tuple[str, str], groups: tuple[Group, Group]) -> dict[str, Resampled]:
    """Each method of both groups: what it has under either protocol, by the protocol's name."""
    result = {}
    for method in groups[0].found.methods:
        if method in groups[1].found.methods:
            places = [(group.found, group.found.methods.index(method)) for group in groups]
            result[method] = Resampled(
                protocols,
                np.stack([found.seed_map[place] for found, place in places]),
                np.stack([found.resampled[place] for found, place in places]),
                np.stack([found.influence[place] for found, place in places]),
            )
    return result


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, method and two protocols; mAP and differences in percent.

    ``difference`` is that of ``protocol`` minus ``other_protocol``, with its 95 % interval.
    """
    groups = [
        (block, group) for block in blocks(settings) for group in compared_groups(block, settings)
    ]
    rows = []
    for (block, group), (other_block, other) in combinations(groups, 2):
        protocols = (block.protocol, other_block.protocol)
        if block.dataset != other_block.dataset or len(set(protocols)) == 1:
            continue
        if _paired(group) != _paired(other):
            continue
        seeds, resamples = _paired(group)
        for method, found in _across(protocols, (group, other)).items():
            row = (block.dataset, method, *protocols, len(seeds), resamples)
            rows.append((*row, *found.map.tolist(), *found.difference(*protocols)))
    if not rows:
        raise UserError(
            "extra_protocols has nothing to show: no method has runs with the same seeds and "
            "resamples under two protocols; give its exhibits the same"
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset, a row a method and two protocols; rows of a method stand together."""
    titles, protocols = settings["titles"], settings["protocol_titles"]
    header = ["Method", "Protocol", "mAP (%)", "Other protocol", "mAP (%)"]
    header += ["Difference", "95 % interval"]
    tables = []
    for dataset, here in frame.groupby("dataset", sort=False):
        rows = [
            [
                titles[row["method"]],
                protocols[row["protocol"]],
                format_number(row["map"]),
                protocols[row["other_protocol"]],
                format_number(row["other_map"]),
                format_number(row["difference"], sign=True),
                format_interval(row["difference_low"], row["difference_high"]),
            ]
            for _, of_method in here.groupby("method", sort=False)
            for row in of_method.to_dict("records")
        ]
        title = settings["dataset_titles"][dataset] if frame["dataset"].nunique() > 1 else ""
        tables.append(Table(header, rows, title))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How a row is read, and what else differs between its runs."""
    counts = sorted(frame["seeds"].unique())
    seeds = f"{join_words(counts)} seed{'' if counts == [1] else 's'}"
    over = "test images alone" if counts == [1] else "seeds (Student's t) and test images"
    apart = ((frame["difference_low"] > 0) | (frame["difference_high"] < 0)).sum()
    resamples = join_words(sorted(frame["resamples"].unique()))
    return (
        "Test mAP (%) of the same method under two protocols, and the difference of the first to "
        f"the other in points, with its 95 % interval over {over} ({seeds} under each, "
        f"{resamples} resamples of the images); runs are paired by seed and test images. A "
        "method's own hyperparameters may differ with the protocol too, as delta_rel of Large Loss "
        f"does. {apart} of {len(frame)} intervals lie wholly on one side of zero; none is "
        "corrected for their number, or covers another draw of the observed labels."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
