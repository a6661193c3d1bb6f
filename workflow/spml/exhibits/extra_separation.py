"""Predictions on false and true negatives, method by method, beside the test mAP.

Both are unobserved entries of the validation images. What a method predicts for them shows as
quantiles, and how often a false negative is predicted higher as the area under the ROC curve.
Whether methods that separate them also score higher is what the second panel asks.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spml.exhibits.estimates import interval_columns
from spml.exhibits.figure import figure_command
from spml.exhibits.gap import OTHER, families_of
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
from spml.exhibits.style import (
    FALSE_NEGATIVE,
    OF_NO_PAPER,
    OF_PAPERS,
    SMALL,
    TEXT_WIDTH,
    TRUE_NEGATIVE,
    add_grid,
    legend_outside,
    name_rows,
    new_figure,
    set_title,
)
from spml.exhibits.unobserved import Unobserved, separation_estimate, unobserved_scores
from spml.plumbing.addresses import table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

QUANTILES = (5, 25, 50, 75, 95)  # percent
KINDS = {"false_negatives": (FALSE_NEGATIVE, -0.17), "true_negatives": (TRUE_NEGATIVE, 0.17)}
ROW_HEIGHT = 0.16  # inches, of one method
COLUMNS = [
    *("dataset", "protocol", "method", "family", "seed", "run_map", "run_area"),
    *("area", "area_low", "area_high"),
    *(f"{kind}_q{level:02d}" for kind in KINDS for level in QUANTILES),
]
FAR = 3  # interquartile ranges below the median of mAP: farther off, a method is not shown


def _quantiles(run: Unobserved) -> dict[str, float]:
    """Columns such as ``false_negatives_q25``."""
    return {
        f"{kind}_q{level:02d}": float(value)
        for kind in KINDS
        for level, value in zip(
            QUANTILES, np.percentile(getattr(run, kind), QUANTILES), strict=True
        )
    }


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a run: quantiles of its predictions, its area under the ROC curve and its test mAP.

    ``area`` is the mean over seeds with its 95 % interval, the same in all rows of a method. One
    that observes so much that nothing is left to separate has no row.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    families = families_of(settings)
    rows = []
    for block in blocks(settings):
        runs: dict[str, list[Unobserved]] = {}
        for _, run in unobserved_scores(block, method_titles(settings), settings["seeds"]):
            if not run.all_observed():
                runs.setdefault(run.method, []).append(run)
        for method, of_seeds in runs.items():
            estimate = separation_estimate(of_seeds)
            here = select_rows(collected, block, method)
            maps = here[here["metric"] == "test_map"].set_index("seed")["value"]
            for run, area in zip(of_seeds, estimate.values.tolist(), strict=True):
                rows.append(
                    block_columns(
                        block,
                        method=method,
                        family=families.get(method, OTHER),
                        seed=run.seed,
                        run_map=maps[run.seed],
                        run_area=area,
                        area=estimate.mean,
                        **interval_columns(estimate, "area_"),
                        **_quantiles(run),
                    )
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _methods(here: pd.DataFrame) -> pd.DataFrame:
    """A row a method, means over seeds, from the largest area to the smallest."""
    numbers = here.drop(columns=["dataset", "protocol", "seed"])
    families = numbers.pop("family").groupby(here["method"], sort=False).first()
    means = numbers.groupby("method", sort=False).mean()
    return means.assign(family=families).sort_values("area", ascending=False)


def rank_correlation(methods: pd.DataFrame) -> float:
    """Spearman's correlation of area and mAP over methods; NaN of fewer than three."""
    if len(methods) < 3:
        return float("nan")
    return float(methods["area"].rank().corr(methods["run_map"].rank()))


def _far_below(methods: pd.DataFrame) -> pd.Series:
    """Which methods have an mAP so low that a panel with it would show nothing of the others."""
    low, middle, high = methods["run_map"].quantile([0.25, 0.5, 0.75])
    return methods["run_map"] < middle - FAR * (high - low)


def _draw_predictions(axes: Axes, methods: pd.DataFrame, titles: dict[str, str]) -> None:
    places = np.arange(len(methods))
    for kind, (colour, shift) in KINDS.items():
        lowest, low, middle, high, highest = (
            methods[f"{kind}_q{level:02d}"].to_numpy() for level in QUANTILES
        )
        rows = places + shift
        axes.hlines(rows, lowest, highest, color=colour, linewidth=0.7)
        axes.hlines(rows, low, high, color=colour, linewidth=3.0)
        axes.plot(
            middle, rows, "o" if kind == "false_negatives" else "s", color="white",
            markeredgecolor=colour, markersize=3, markeredgewidth=0.8,
            label=kind.replace("_", " "),
        )  # fmt: skip
    for place, area in zip(places, methods["area"], strict=True):
        axes.annotate(
            f"{area:.3f}", (1.01, place), xycoords=axes.get_yaxis_transform(), va="center",
            fontsize=SMALL, annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "area under\nROC", (1.01, 1), xycoords="axes fraction", va="bottom", fontsize=SMALL,
        annotation_clip=False,
    )  # fmt: skip
    bold = np.flatnonzero(methods["family"].isin(OF_PAPERS))
    name_rows(axes, places, [titles[str(name)] for name in methods.index], bold)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("Predicted probability")
    add_grid(axes, "x")


def _draw_scatter(
    axes: Axes, here: pd.DataFrame, methods: pd.DataFrame, titles: dict[str, str], reference: str
) -> None:
    near = methods[~_far_below(methods)]
    for method, row in near.iterrows():
        colour, marker = OF_PAPERS.get(row["family"], OF_NO_PAPER)
        runs = here[here["method"] == method]
        axes.plot(
            runs["run_area"], runs["run_map"], marker, color=colour, markersize=3.6,
            markeredgecolor="white", markeredgewidth=0.4, linestyle="",
        )  # fmt: skip
        if row["family"] in OF_PAPERS or method in (reference, near["run_map"].idxmax()):
            right = runs.loc[runs["run_area"].idxmax()]
            axes.annotate(
                titles[str(method)], (right["run_area"], right["run_map"]), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=SMALL,
            )  # fmt: skip
    axes.set_xlabel("Area under the ROC curve")
    axes.set_ylabel("Test mAP (%)")
    axes.margins(x=0.12, y=0.08)
    add_grid(axes, "both")


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A row of two panels a dataset and protocol."""
    shown, titles = blocks(settings), method_titles(settings)
    most = max(select_rows(frame, block)["method"].nunique() for block in shown)
    figure, panels = new_figure(
        len(shown),
        2,
        width=TEXT_WIDTH,
        height=max(2.2, 0.8 + ROW_HEIGHT * most),
        gridspec_kw={"width_ratios": [1.15, 1]},
    )
    handles: tuple[Any, ...] = ()
    for block, (left, right) in zip(shown, panels, strict=True):
        here = select_rows(frame, block)
        if len(shown) > 1:
            set_title(left, block.title, share=0.5, loc="left")
        if here.empty:
            left.text(0, 0.5, "no method leaves anything to separate")
            left.set_axis_off()
            right.set_axis_off()
            continue
        methods = _methods(here)
        _draw_predictions(left, methods, titles)
        _draw_scatter(right, here, methods, titles, settings.get("reference", ""))
        handles = left.get_legend_handles_labels()
    if handles:
        legend_outside(figure, *handles, place="lower left")
    return figure


def _correlation_phrase(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The rank correlation on each block, and what the second panel does not show."""
    shown, titles = blocks(settings), method_titles(settings)
    found, hidden = [], []
    for block in shown:
        here = select_rows(frame, block)
        if here.empty:
            continue
        methods = _methods(here)
        where = f" on {block.title}" if len(shown) > 1 else ""
        if not np.isnan(correlation := rank_correlation(methods)):
            found.append(f"{correlation:.2f} over {len(methods)} methods{where}")
        hidden += [
            f"{titles[str(name)]}{where} ({row['run_area']:.3f}, {row['run_map']:.1f} %)"
            for name, row in methods[_far_below(methods)].iterrows()
        ]
    text = f" Spearman's rank correlation of area and mAP: {join_words(found)}." if found else ""
    return text + (f" Far below what the panel shows: {join_words(hidden)}." if hidden else "")


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What both panels show, and how far area and mAP go together."""
    return (
        "Left: predictions on the unobserved entries of the validation images, false negatives "
        "(present but unobserved) above true negatives; median, middle half and from the 5 % to "
        f"the 95 % quantile, {seeds_phrase(settings, 'mean of')}, at {selection_phrase(settings)}. "
        "Methods from the largest area under the ROC curve to the smallest: the probability that a "
        "false negative is predicted higher than a true negative. Right: that area against test "
        f"mAP, a point a run; methods of GR and LL in their colours."
        f"{_correlation_phrase(frame, settings)} It says that they go together among these "
        f"methods, not that one makes the other. {data_phrase(settings)} "
        f"{interval_phrase(settings, 'validation images', 'Its 95 % intervals, in the data,')}"
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
