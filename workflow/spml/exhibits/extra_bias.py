"""What a method loses where the single positives are no fair sample of an image's labels.

`gr_bias_size` is `gr` where the larger objects of an image are the likelier to be labelled. Losses
are taken within a method, from its runs on positives that are all equally likely.
"""

import re
from typing import Any

import pandas as pd

from spml.exhibits.comparison import own_columns
from spml.exhibits.estimates import difference_columns, map_estimates
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    curve_title,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_mean, format_number
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

BIAS = re.compile(r"(.*)_bias_([a-z]+)")
FAIR = "none"


def bias_of(method: str) -> tuple[str, str]:
    """The method, and the bias of its labels, ``none`` for those of all other exhibits."""
    match = BIAS.fullmatch(method)
    return (match[1], match[2]) if match else (method, FAIR)


def _biases(settings: dict[str, Any]) -> dict[str, dict[str, str]]:
    """For each method the name of its run under each bias; all have the same ones."""
    found: dict[str, dict[str, str]] = {}
    for name in method_titles(settings):
        method, bias = bias_of(name)
        found.setdefault(method, {})[bias] = name
    sets = {frozenset(names) for names in found.values()}
    if len(sets) != 1 or FAIR not in next(iter(sets)) or len(next(iter(sets))) < 2:
        raise UserError(
            f"{settings['paper']}_{settings['name']} needs each of its methods without bias and "
            "under the same biases, such as gr and gr_bias_size"
        )
    return found


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, method and bias; mAP in percent.

    ``difference`` is that to the same method without bias, seed by seed, with its 95 % interval.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    for block in blocks(settings):
        estimates = map_estimates(block, method_titles(settings), settings["seeds"], collected)
        for method, names in _biases(settings).items():
            for bias, name in names.items():
                rows.append(
                    block_columns(
                        block,
                        method=method,
                        bias=bias,
                        observation=block.observation_of(name),
                        **own_columns(collected, block, name, "test_map"),
                        **difference_columns(estimates[name], estimates[names[FAIR]]),
                    )
                )
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol, a row a method: without bias, then each bias."""
    titles, shown = method_titles(settings), blocks(settings)
    biases = [bias for bias in dict.fromkeys(frame["bias"]) if bias != FAIR]
    header = ["Method", "No bias: mAP (%)"]
    for bias in biases:
        header += [f"{bias.capitalize()}: mAP (%)", "Difference", "95 % interval"]
    tables = []
    for block in shown:
        rows = []
        for method, here in select_rows(frame, block).groupby("method", sort=False):
            cells = here.set_index("bias").to_dict("index")
            row = [curve_title(titles[str(method)])]
            for bias in (FAIR, *biases):
                cell = cells[bias]
                spread = None if pd.isna(cell["map_std"]) else cell["map_std"]
                row.append(format_mean(cell["map_mean"], spread))
                if bias != FAIR:
                    low, high = cell["difference_low"], cell["difference_high"]
                    row.append(format_number(cell["difference"], sign=True))
                    row.append(NOTHING if pd.isna(low) else format_interval(low, high))
            rows.append(row)
        tables.append(Table(header, rows, block.title if len(shown) > 1 else ""))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and what its differences are to."""
    biases = [bias for bias in dict.fromkeys(frame["bias"]) if bias != FAIR]
    means = {
        bias: frame.loc[frame["bias"] == bias, "difference"].mean()
        for bias in biases
    }  # fmt: skip
    listed = join_words(
        f"{format_number(mean, sign=True)} ({bias})" for bias, mean in means.items()
    )
    return (
        "Test mAP where the one observed positive of an image is the likelier, the larger its "
        "objects (size) or the nearer they are to the middle (location), beside positives that are "
        "all equally likely. Differences are to the same method without bias; their mean over "
        f"methods is {listed}. {seeds_phrase(settings, 'Mean of')}, at "
        f"{selection_phrase(settings)}. {interval_phrase(settings)} {data_phrase(settings)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
