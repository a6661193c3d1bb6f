"""How much depends on which positive of each image was drawn: test mAP under several draws.

All other runs share one draw of the observed labels, as in the papers. Here methods run on others
too: `gr_draw_b` is `gr` on a second one. Differences to the reference are taken draw by draw.
"""

import re
from typing import Any

import pandas as pd

from spml.exhibits.estimates import difference_columns, map_estimates
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    blocks,
    curve_title,
    data_phrase,
    join_words,
    method_titles,
    reference_method,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_number
from spml.measures.statistics import Estimate
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

DRAW = re.compile(r"(.*)_draw_([b-z])")


def draw_of(method: str) -> tuple[str, str]:
    """The method, and the letter of its draw: ``a`` is that of all other runs."""
    match = DRAW.fullmatch(method)
    return (match[1], match[2]) if match else (method, "a")


def _draws(settings: dict[str, Any]) -> dict[str, list[str]]:
    """For each method its runs' names, one a draw; all have the same draws."""
    found: dict[str, list[str]] = {}
    for name in method_titles(settings):
        found.setdefault(draw_of(name)[0], []).append(name)
    letters = {tuple(draw_of(name)[1] for name in names) for names in found.values()}
    if len(letters) != 1 or len(letters.pop()) < 2:
        raise UserError(
            f"{settings['paper']}_{settings['name']} needs each of its methods on the same two or "
            "more draws, in the same order, such as gr and gr_draw_b"
        )
    return found


def _estimate(names: list[str], estimates: dict[str, Estimate]) -> Estimate:
    """Test mAP of a method, a value a draw: the mean over seeds."""
    return Estimate.of_seeds(
        [estimates[name].mean for name in names], [estimates[name].influence for name in names]
    )


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, method and draw; mAP in percent.

    ``map_mean`` and ``map_std`` are over seeds (n - 1). The same in all rows of a method:
    ``draw_mean`` and ``draw_std``, mean and deviation of ``map_mean`` over draws, and
    ``difference`` to the reference, draw by draw, with its 95 % interval over draws and images.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    draws, reference = _draws(settings), reference_method(settings)
    rows = []
    for block in blocks(settings):
        estimates = map_estimates(block, method_titles(settings), settings["seeds"], collected)
        of_draws = {name: _estimate(runs, estimates) for name, runs in draws.items()}
        for method, names in draws.items():
            compared = difference_columns(of_draws[method], of_draws[reference])
            for name in names:
                values = pd.Series(estimates[name].values)
                rows.append(
                    block_columns(
                        block,
                        method=method,
                        draw=draw_of(name)[1],
                        observation=block.observation_of(name),
                        seeds=len(values),
                        map_mean=values.mean(),
                        map_std=values.std(ddof=1),
                        draw_mean=of_draws[method].mean,
                        draw_std=of_draws[method].values.std(ddof=1),
                        **compared,
                    )
                )
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol, a row a method and a column a draw."""
    titles, shown = method_titles(settings), blocks(settings)
    letters = list(dict.fromkeys(frame["draw"]))
    header = ["Method", *(f"Draw {letter}: mAP (%)" for letter in letters)]
    header += ["Deviation over draws", "Deviation over seeds"]
    header += [f"Difference to {titles[settings['reference']]}", "95 % interval"]
    tables = []
    for block in shown:
        rows = []
        for method, here in select_rows(frame, block).groupby("method", sort=False):
            first = here.iloc[0]
            over_seeds = (here["map_std"] ** 2).mean() ** 0.5
            row = [curve_title(titles[str(method)]), *map(format_number, here["map_mean"])]
            row.append(format_number(first["draw_std"]))
            row.append(NOTHING if pd.isna(over_seeds) else format_number(over_seeds))
            if pd.isna(first["difference"]):
                row += [NOTHING, NOTHING]
            else:
                row.append(format_number(first["difference"], sign=True))
                row.append(format_interval(first["difference_low"], first["difference_high"]))
            rows.append(row)
        tables.append(Table(header, rows, block.title if len(shown) > 1 else ""))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and what its interval covers."""
    letters = list(dict.fromkeys(frame["draw"]))
    reference = method_titles(settings)[settings["reference"]]
    return (
        f"Test mAP under {len(letters)} draws of the observed labels ({join_words(letters)}; a is "
        f"that of all other exhibits), {seeds_phrase(settings, 'mean of')} and draw, at "
        f"{selection_phrase(settings)}. Deviation over draws: sample standard deviation of these "
        "means, in which that of seeds is contained; deviation over seeds: that of the runs of a "
        f"draw, over all draws. The difference to {reference} is taken draw by draw; its 95 % "
        f"interval is over draws (Student's t with {len(letters) - 1} degree"
        f"{'' if len(letters) == 2 else 's'} of freedom) and test images. {data_phrase(settings)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
