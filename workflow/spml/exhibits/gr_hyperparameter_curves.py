"""Test mAP of GR Loss against each of its hyperparameters, the others held fixed.

The runs belong to the curve of the hyperparameter in which their records differ from the
reference's, which is a point of every curve.
"""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.comparison import own_columns
from spml.exhibits.estimates import interval_columns, map_estimates
from spml.exhibits.figure import figure_command
from spml.exhibits.hyperparameters import PARTS, SYMBOLS, changed_settings, loss_parts, value_text
from spml.exhibits.records import block_columns, read_record, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    reference_method,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.style import (
    BLUE,
    FORMULA,
    TEXT_WIDTH,
    VERMILLION,
    add_grid,
    legend_outside,
    new_figure,
)
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

# The order of the panels.
ORDER = [*(name for parts in PARTS.values() for name in parts), *SYMBOLS.values()]

# The symbols of the paper, for captions in plain text.
MEANINGS = {
    "w_T": "w_T: what slope w in k(p) = 1 / (1 + exp(−(wp + b))) grows towards; in the last of T "
    "epochs it has (T − 1) / T of it",
    r"\sigma_T": "σ_T: width σ in v(p) = exp(−(p − μ)² / (2σ²)) at the end of training",
    "q_2": "q_2: exponent in L2(p) = (1 − p^q_2) / q_2, whose limit at 0 is −log p",
    "q_3": "q_3: exponent in L3(p) = (1 − (1 − p)^q_3) / q_3, whose limit at 0 is −log(1 − p)",
}


def _points(block: Block, settings: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Method, hyperparameter and value of each point, those of the reference among them."""
    reference, seed = reference_method(settings), settings["seeds"][0]
    base = read_record(block, reference, seed)["settings"]
    points: list[tuple[str, str, float]] = []
    for method in method_titles(settings):
        own = read_record(block, method, seed)["settings"]
        changes = changed_settings(own, base)
        if len(changes) > 1 or not set(changes) <= set(ORDER):
            raise UserError(
                f"method {method} is no point of a curve: it differs from {reference} in "
                f"{join_words(changes)}, not in one hyperparameter"
            )
        points += [(method, name, value) for name, (value, _) in changes.items()]
    varied = sorted({name for _, name, _ in points}, key=ORDER.index)
    if not varied:
        raise UserError(f"none of the methods differs from {reference} on {block.title}")
    parts = loss_parts(base["hyperparameters"])
    points += [(reference, name, parts[name]) for name in varied]
    return sorted(points, key=lambda point: (varied.index(point[1]), point[2]))


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, hyperparameter and value: mAP in percent and its interval.

    A method with the settings of the reference on a dataset is no point of its own there.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    for block in blocks(settings):
        points = _points(block, settings)
        methods = dict.fromkeys(method for method, _, _ in points)
        estimates = map_estimates(block, methods, settings["seeds"], collected)
        intervals = {method: interval_columns(estimates[method]) for method in methods}
        rows += [
            block_columns(
                block,
                hyperparameter=name,
                point=value,
                method=method,
                **own_columns(collected, block, method, "test_map"),
                **intervals[method],
            )
            for method, name, value in points
        ]
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A row of panels a dataset and protocol, a panel a hyperparameter.

    Values are spaced alike, since most of them are small and some are zero.
    """
    shown = blocks(settings)
    columns = max(select_rows(frame, block)["hyperparameter"].nunique() for block in shown)
    figure, grid = new_figure(len(shown), columns, width=TEXT_WIDTH, height=1.9, sharey="row")
    for block, row in zip(shown, grid, strict=True):
        here = select_rows(frame, block)
        names = here["hyperparameter"].unique()
        for axes in row[len(names) :]:
            axes.set_visible(False)
        for name, axes in zip(names, row, strict=False):
            curve = here[here["hyperparameter"] == name].reset_index(drop=True)
            axes.errorbar(
                curve.index,
                curve["map_mean"],
                yerr=[curve["map_mean"] - curve["low"], curve["high"] - curve["map_mean"]],
                color=BLUE,
                marker="o",
                capsize=2,
            )
            chosen = curve[curve["method"] == settings["reference"]]
            axes.plot(
                chosen.index,
                chosen["map_mean"],
                marker="*",
                markersize=9,
                color=VERMILLION,
                linestyle="none",
                zorder=3,
                label=method_titles(settings)[settings["reference"]],
            )
            points = [value_text(value) for value in curve["point"]]
            axes.set_xticks(curve.index, points, parse_math=True)
            axes.set_xlim(-0.4, len(curve) - 0.6)
            axes.set_xlabel(f"${name}$", parse_math=True, fontsize=FORMULA)
            add_grid(axes)
        row[0].set_ylabel(f"{block.title}: test mAP (%)" if len(shown) > 1 else "Test mAP (%)")
    legend_outside(figure, *grid[0, 0].get_legend_handles_labels(), place="lower center")
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, and that nothing was chosen by it."""
    title = method_titles(settings)[settings["reference"]]
    meanings = [MEANINGS[name] for name in frame["hyperparameter"].unique() if name in MEANINGS]
    runs = seeds_phrase(settings, "mean of")
    return (
        f"Test mAP under different hyperparameters of {title}, each varied with the others held "
        f"fixed. Star: the values of {title}. Values of an axis are spaced alike, not to scale. "
        f"{'; '.join(meanings)}. Each point: {runs}, at {selection_phrase(settings)}. "
        f"{interval_phrase(settings, subject='Bars, 95 % intervals,')} {data_phrase(settings)} "
        "Test mAP is shown as in the paper's figure; no value was chosen by it. The published "
        "values were not found by us, so there are none to compare with."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
