"""How much of what is lost to full labels each method wins back, on one axis of test mAP.

The gap is the test mAP of training on full labels minus that of the reference, which takes every
unobserved label for a negative. A method's share is its difference to the reference, divided by the
gap. The interval of that ratio is the one of (method - reference - share x gap) / gap, with share
and gap held at their means (the delta method), over seeds and test images as of any difference; it
is given where the interval of the gap lies above zero.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spml.exhibits.compared import RATE, Group, compared_groups, pairs
from spml.exhibits.figure import figure_command
from spml.exhibits.gap import (
    OTHER,
    by_method,
    families_of,
    format_share,
    lower_end,
    places,
    result_phrase,
    upper_end,
)
from spml.exhibits.records import block_columns
from spml.exhibits.settings import Block, blocks, join_words
from spml.exhibits.style import (
    BLACK,
    COLUMN_WIDTH,
    GREY,
    OF_NO_PAPER,
    OF_PAPERS,
    SMALL,
    TEXT_WIDTH,
    add_grid,
    legend_outside,
    name_rows,
    new_figure,
    set_title,
)
from spml.measures.statistics import Resampled, confidence_interval
from spml.plumbing.addresses import exhibit_path, split_key
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

ROW_HEIGHT = 0.135  # inches, of one method


def _interval(values: np.ndarray, deviations: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval."""
    return float(values.mean()), *confidence_interval(values, deviations)


def _share(found: Resampled, method: str, reference: str, full: str) -> tuple[float, float, float]:
    """The share of the gap in percent that a method closes, and its 95 % interval."""
    own, none, whole = (found.map[found.methods.index(m)] for m in (method, reference, full))
    gap = whole - none
    share = (own - none) / gap
    # What is won beyond that share of the gap, as a share of it.
    terms = (method, 1 / gap), (reference, (share - 1) / gap), (full, -share / gap)
    values, deviations = found.combined(*terms)
    return _interval(100 * (share + values), 100 * deviations)


def _published(settings: dict[str, Any]) -> dict[tuple[str, str, str, str], str]:
    """The published test mAP, as printed, by exhibit, dataset, protocol and method."""
    found = {}
    for exhibit in settings["exhibits"]:
        path = verified(exhibit_path(exhibit["key"], ".csv"))
        data = pd.read_csv(path, dtype={"published": "str"})
        shown = data[data["published"].notna() & (data["published_metric"] == "test_map")]
        for row in shown.to_dict("records"):
            place = (exhibit["key"], row["dataset"], row["protocol"], row["method"])
            found[place] = row["published"]
    return found


def _columns(group: Group, method: str, settings: dict[str, Any], best: str) -> dict[str, Any]:
    """What a group says of one method."""
    found = group.found
    reference, full = settings["reference"], settings["full"]
    mean, low, high = _interval(*found.combined((method, 1)))
    columns = {"map": mean, "map_low": low, "map_high": high}
    columns |= dict.fromkeys(("gap", "gap_low", "gap_high"), np.nan)
    columns |= dict.fromkeys(("share", "share_low", "share_high"), np.nan)
    if {reference, full} <= set(found.methods):
        gap = found.difference(full, reference)
        columns |= dict(zip(("gap", "gap_low", "gap_high"), gap, strict=True))
        if gap[1] > 0:
            share = _share(found, method, reference, full)
            columns |= dict(zip(("share", "share_low", "share_high"), share, strict=True))
    to_best = found.difference(method, best)
    return columns | dict(zip(("to_best", "best_low", "best_high"), to_best, strict=True))


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a run; mAP, differences and shares in percent.

    ``run_map`` is of the run; all else is of its method, the same in each of its rows: ``map``, the
    mean over seeds, the ``gap`` of its place, its ``share`` of that, and the difference ``to_best``
    of those that see the protocol's labels (``ranked``), each with its 95 % interval. The best is
    one of many, so whether a method is ``below_best`` by more than chance is said by the p that is
    corrected for all pairs. ``papers`` are those that compare it here.
    """
    published, families = _published(settings), families_of(settings)
    rows = []
    for block in blocks(settings):
        for group in compared_groups(block, settings):
            means = dict(zip(group.found.methods, group.found.map.tolist(), strict=True))
            ranked = {name: block.observation_of(name) == block.observation for name in means}
            best = max(means, key=lambda name: (ranked[name], means[name]))
            compared = pairs(group.found)
            below = compared[(compared["method"] == best) & compared["differs"]]["other"].tolist()
            for method in group.found.methods:
                keys = group.keys[method]
                numbers = [
                    published[place]
                    for key in keys
                    if (place := (key, block.dataset, block.protocol, method)) in published
                ]
                own = _columns(group, method, settings, best)
                maps = group.found.seed_map[group.found.methods.index(method)]
                for seed, run_map in zip(group.seeds, maps.tolist(), strict=True):
                    rows.append(
                        block_columns(
                            block,
                            group=join_words(group.exhibits),
                            papers=" ".join(dict.fromkeys(split_key(key)[0] for key in keys)),
                            method=method,
                            family=families.get(method, OTHER),
                            ranked=ranked[method],
                            seed=seed,
                            run_map=run_map,
                            **own,
                            below_best=method in below,
                            published=numbers[0] if numbers else None,
                        )
                    )
    return pd.DataFrame(rows)


def _draw_method(axes: Axes, place: int, row: pd.Series, runs: pd.DataFrame, low: float) -> None:
    colour, marker = OF_PAPERS.get(row["family"], OF_NO_PAPER)
    if row["map"] < low:
        axes.annotate(
            f"\N{BLACK LEFT-POINTING TRIANGLE} {row['map']:.1f}",
            (0, place),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            color=colour,
            fontsize=SMALL,
        )
    else:
        axes.hlines(place, row["map_low"], row["map_high"], color=colour, linewidth=1.0)
        axes.vlines(row["map"], place - 0.38, place + 0.38, color=BLACK, linewidth=1.1)
        axes.plot(
            runs["run_map"], [place] * len(runs), marker, color=colour, markersize=3.6,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    if not pd.isna(row["published"]) and float(row["published"]) >= low:
        axes.plot(
            float(row["published"]), place, "D", color=BLACK, markerfacecolor="none",
            markersize=4.5, markeredgewidth=0.7,
        )  # fmt: skip
    axes.annotate(
        format_share(row["share"]),
        (1.01, place),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        ha="left",
        fontsize=SMALL,
        annotation_clip=False,
    )


def _draw_place(axes: Axes, here: pd.DataFrame, titles: dict[str, str], settings: Any) -> None:
    methods = by_method(here)
    reference, full = settings["reference"], settings["full"]
    low = lower_end(here, reference, full)
    for name in (reference, full):
        if name in methods.index:
            axes.axvline(methods.loc[name, "map"], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    for place, (method, row) in enumerate(methods.iterrows()):
        _draw_method(axes, place, row, here[here["method"] == method], low)
    bold = np.flatnonzero(methods["family"].isin(OF_PAPERS))
    name_rows(axes, range(len(methods)), [titles[str(name)] for name in methods.index], bold)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_xlim(low, upper_end(methods, low))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Test mAP (%)")
    axes.annotate(
        "share of\nthe gap", (1.01, 1), xycoords="axes fraction", va="bottom", ha="left",
        fontsize=SMALL, annotation_clip=False,
    )  # fmt: skip
    add_grid(axes, "x")


def _legend(figure: Figure, frame: pd.DataFrame) -> None:
    words = {"gr": "GR", "ll": "LL"}
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=1, label=f"method of {words[paper]}")
        for paper, (colour, marker) in OF_PAPERS.items()
        if (frame["family"] == paper).any()
    ]
    colour, marker = OF_NO_PAPER
    handles.append(Line2D([], [], color=colour, marker=marker, linewidth=1, label="other method"))
    handles.append(
        Line2D([], [], color=BLACK, marker="|", markersize=7, linestyle="", label="mean over seeds")
    )
    if frame["published"].notna().any():
        handles.append(
            Line2D(
                [], [], color=BLACK, marker="D", markerfacecolor="none", linestyle="",
                label="published",
            )
        )  # fmt: skip
    legend_outside(
        figure, handles, [str(item.get_label()) for item in handles], place="lower center"
    )


def _place_title(block: Block, group: str, several: bool) -> str:
    return f"{block.title}: {group}" if several else block.title


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a place, methods from the highest mAP to the lowest."""
    shown = places(frame)
    titles = {(block.dataset, block.protocol): block for block in blocks(settings)}
    columns = min(2, len(shown))
    most = max(here["method"].nunique() for _, here in shown)
    figure, panels = new_figure(
        -(-len(shown) // columns),
        columns,
        width=TEXT_WIDTH if columns > 1 else COLUMN_WIDTH,
        height=0.9 + ROW_HEIGHT * most,
    )
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    keys = [(place.dataset, place.protocol) for place, _ in shown]
    for axes, (place, here) in zip(panels.flat, shown, strict=False):
        _draw_place(axes, here, settings["titles"], settings)
        if len(shown) > 1:
            key = (place.dataset, place.protocol)
            title = _place_title(titles[key], place.group, keys.count(key) > 1)
            set_title(axes, title, share=0.5, loc="left")
    _legend(figure, frame)
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The result of each place, and how the figure is read."""
    titles, names = (
        settings["titles"],
        {(block.dataset, block.protocol): block.title for block in blocks(settings)},
    )
    reference, full = settings["reference"], settings["full"]
    results = [
        result_phrase(here, titles, reference, full, names[place.dataset, place.protocol])
        for place, here in places(frame)
    ]
    counts = sorted(frame.groupby(["dataset", "protocol", "group"])["seed"].nunique().unique())
    seeds = f"{join_words(counts)} seed{'' if counts == [1] else 's'}"
    over = "test images alone" if counts == [1] else "seeds (Student's t) and test images"
    published = (
        " Hollow diamonds: published numbers, whatever their protocol."
        if frame["published"].notna().any()
        else ""
    )
    ends = join_words(titles.get(name, name) for name in (reference, full))
    return (
        f"{' '.join(results)} Told apart are methods whose p, corrected for all pairs of methods, "
        f"lies below {RATE:g}. Each point is the test mAP of a run ({seeds} a method), each line "
        f"the 95 % interval over {over}, each bar the mean. Dashed: {ends}, the ends of the gap; "
        "at the right, the share of it that a method closes, of which the data have the 95 % "
        "interval. \N{BLACK LEFT-POINTING TRIANGLE}: lies below what is shown."
        f"{published} No interval covers another draw of the observed "
        "labels, which all runs share."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
