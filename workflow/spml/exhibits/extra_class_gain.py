"""Where a gain in mAP comes from: the difference in AP to the reference, class by class.

Classes go from the most frequent to the rarest. Those of a dataset that has many are shown in ten
groups of equal size.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spml.data.labels import load_labels
from spml.data.matrices import dense
from spml.exhibits.classes import GROUPS, Classes, class_precisions, read_classes
from spml.exhibits.figure import figure_command
from spml.exhibits.gap import OTHER, families_of
from spml.exhibits.records import block_columns, read_array, select_rows
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
    BLACK,
    LIGHT_GREY,
    OF_NO_PAPER,
    OF_PAPERS,
    SMALL,
    add_grid,
    is_first,
    name_axes,
    new_rows,
    set_title,
)
from spml.exhibits.tables import format_number
from spml.measures.statistics import Estimate, precision_influence
from spml.plumbing.addresses import labels_path
from spml.plumbing.errors import UserError, run_command

COLUMNS = 5  # panels side by side, at most
MOST = 50  # classes that have a mark each: more would not stand apart
FEW = 30  # classes whose marks are large
LETTERS = 14  # of a class that is named, or of all of them below a panel
FAR = 3  # interquartile ranges below the lower quartile: farther off, a method has its own axis


def _group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(..., C) to (..., G): means over the classes of each group; NaN is left out."""
    members = groups[:, None] == np.arange(1, groups.max() + 1)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):  # a group of which nothing is known has no mean
        return (np.where(known, values, 0) @ members) / (known @ members.astype(np.float64))


def _influences(
    block: Block, method: str, seeds: Sequence[int], classes: Classes, truth: np.ndarray
) -> np.ndarray:
    """(N, G): the derivative of the mean AP of each group by the weight of each test image."""
    total = np.zeros((len(truth), classes.groups.max()))
    for seed in seeds:
        scores = read_array(block, method, seed, "predictions.npz", "test")
        of_classes = map(precision_influence, scores.T, truth.T)
        total += _group_means(np.stack([*of_classes], axis=-1), classes.groups)
    return 100 * total / len(seeds)


def _block_frames(block: Block, settings: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """The rows of each method but the reference."""
    reference, seeds = reference_method(settings), settings["seeds"]
    classes, families = read_classes(block, MOST), families_of(settings)
    truth = dense(load_labels(labels_path(block.dataset)).test.truth) if classes.whole else None
    of_reference = class_precisions(block, reference, seeds)
    if truth is not None:
        influences = _influences(block, reference, seeds, classes, truth)
    for method in method_titles(settings):
        if method == reference:
            continue
        precisions = class_precisions(block, method, seeds)
        differences = precisions - of_reference
        gains = _group_means(differences, classes.groups)
        low = high = np.full(gains.shape[1], np.nan)
        if truth is not None:
            own = _influences(block, method, seeds, classes, truth) - influences
            estimates = map(Estimate, gains.T, own.T)
            low, high = np.transpose([estimate.interval() for estimate in estimates])
        place = classes.groups - 1
        columns = block_columns(
            block,
            method=method,
            family=families.get(method, OTHER),
            class_name=classes.names,
            positives=classes.positives,
            seeds=len(seeds),
            ap=precisions.mean(axis=0),
            difference=differences.mean(axis=0),
            group=classes.groups,
            group_difference=gains.mean(axis=0)[place],
            group_low=low[place],
            group_high=high[place],
        )
        yield pd.DataFrame(columns)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method and class; AP, and its difference to the reference, in percent.

    Differences are paired by seed. ``positives`` are the training images in which the class is
    present. ``group`` is where it stands, from 1 for the most frequent: each class is a group of
    its own where there are few. ``group_difference`` is the mean over the classes of the group,
    with its 95 % interval, which is empty where the dataset is annotated in part.
    """
    if [*method_titles(settings)] == [reference_method(settings)]:
        raise UserError("extra_class_gain shows no method but its reference; give it another one")
    frames = [frame for block in blocks(settings) for frame in _block_frames(block, settings)]
    return pd.concat(frames, ignore_index=True)


def _in_groups(here: pd.DataFrame) -> bool:
    return bool(here["class_name"].nunique() > here["group"].nunique())


def _middle(line: pd.DataFrame) -> pd.DataFrame:
    """Of each group, between which differences the middle half of its classes lies."""
    return line.groupby(["method", "group"])["difference"].quantile([0.25, 0.75]).unstack()


def _range(here: pd.DataFrame) -> tuple[float, float]:
    """An axis with all that is shown of some methods, zero, and room above for a line of text."""
    shown = here[["group_difference", "group_low", "group_high"]].to_numpy().ravel()
    if _in_groups(here):
        shown = np.append(shown, _middle(here))
    low, high = min(0.0, np.nanmin(shown)), max(0.0, np.nanmax(shown))
    room = 0.06 * max(high - low, 1.0)
    return low - room, high + 3 * room


def _common_range(here: pd.DataFrame) -> tuple[float, float]:
    """The axis of all methods but those that lie far below the others."""
    means = here.groupby("method")["difference"].mean()
    lower, upper = means.quantile([0.25, 0.75])
    return _range(here[here["method"].map(means) >= lower - FAR * (upper - lower)])


def _draw_frequency(axes: Axes, here: pd.DataFrame) -> None:
    """How many positives there are, on the axis of classes that all panels have."""
    own = here[here["method"] == here["method"].iloc[0]].groupby("group")["positives"].mean()
    axes.plot(own.index, own, color=BLACK, marker="_", linestyle="none", markersize=4)
    if own.max() < 10 * own.min():
        axes.set_ylim(0, 1.3 * own.max())
    else:  # logarithmic from 1 on: a class may have no positive at all
        axes.set_yscale("symlog", linthresh=1, subs=range(2, 10))
        axes.set_ylim(10.0 ** int(np.log10(own.min())) if own.min() >= 1 else 0, 2 * own.max())
    axes.yaxis.set_major_formatter("{x:,.0f}")
    set_title(axes, "Training images")


def _draw_method(axes: Axes, line: pd.DataFrame, title: str) -> None:
    """Differences with their intervals; of groups also where the middle half of classes lies."""
    family = str(line["family"].iloc[0])
    colour, marker = OF_PAPERS.get(family, OF_NO_PAPER)
    means = line.groupby("group")[["group_difference", "group_low", "group_high"]].first()
    axes.axhline(0, color=BLACK, linewidth=0.6)
    if _in_groups(line):
        middle = _middle(line)
        axes.vlines(means.index, middle[0.25], middle[0.75], color=LIGHT_GREY, linewidth=3.5)
    else:
        most = line.loc[line["difference"].idxmax()]
        gain = format_number(most["difference"], sign=True)
        axes.annotate(
            f"{str(most['class_name'])[:LETTERS]}: {gain}", (1, 1),
            xycoords="axes fraction", ha="right", va="top", fontsize=SMALL,
        ).set_in_layout(False)  # fmt: skip
    axes.vlines(means.index, means["group_low"], means["group_high"], color=colour, linewidth=0.8)
    axes.plot(
        means.index, means["group_difference"], marker, color=colour, linestyle="none",
        markersize=3.2 if len(means) <= FEW else 1.8,
    )  # fmt: skip
    set_title(axes, title)


def _number_classes(axes: Axes, here: pd.DataFrame) -> None:
    """Names of classes below a panel where they are as short as numbers, else their places."""
    names = here.groupby("group")["class_name"].first().astype(str)
    if not _in_groups(here) and names.str.len().sum() <= LETTERS:
        axes.set_xticks(names.index, names)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlim(0.5 - 0.03 * len(names), len(names) + 0.5 + 0.03 * len(names))


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """Panels of a dataset and protocol: one a method, then how frequent its classes are."""
    shown, titles = blocks(settings), method_titles(settings)
    reference = titles.pop(settings["reference"])
    figure, rows = new_rows([1 + len(titles)] * len(shown), columns=COLUMNS, height=1.1)
    for block, (*panels, last) in zip(shown, rows, strict=True):
        here = select_rows(frame, block)
        common = _common_range(here)
        for (method, title), axes in zip(titles.items(), panels, strict=True):
            line = here[here["method"] == method]
            _draw_method(axes, line, f"{block.title}: {title}" if len(shown) > 1 else title)
            far = bool(line["difference"].mean() < common[0])
            axes.set_ylim(*(_range(line) if far else common))
            axes.tick_params(labelleft=far or is_first(axes))
        _draw_frequency(last, here)
        for axes in (*panels, last):
            _number_classes(axes, here)
            add_grid(axes)
    name_axes(figure, "Classes, most frequent first", f"AP minus that of {reference} (points)")
    return figure


def _gains(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """Of the methods of both papers, how many classes gain, and whether rare ones gain more."""
    shown, titles = blocks(settings), method_titles(settings)
    parts = []
    for block in shown:
        here = select_rows(frame, block)
        of_block = f" of {block.title}" if len(shown) > 1 else ""
        for method, line in here[here["family"].isin(OF_PAPERS)].groupby("method", sort=False):
            own = line.dropna(subset="difference")
            gained = int((own["difference"] > 0).sum())
            text = f"{titles[str(method)]} on {gained:,} of {len(own):,} classes{of_block}"
            correlation = own["positives"].rank().corr(own["difference"].rank())
            parts.append(
                text
                if pd.isna(correlation)
                else f"{text} ({format_number(correlation, 2, sign=True)})"
            )
    if not parts:
        return ""
    return (
        f" Higher than the reference: {'; '.join(parts)}. In brackets: Spearman's rank correlation "
        "of the gain with the number of positives."
    )


def _groups_phrase(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How many classes are shown, where they are many, and what is named where they are not."""
    parts = {block.title: select_rows(frame, block) for block in blocks(settings)}
    many = {
        title: here["class_name"].nunique() for title, here in parts.items() if _in_groups(here)
    }
    text = " Named: the class that gains most." if len(many) < len(parts) else ""
    if many:
        counts = join_words(f"{count:,} of {title}" for title, count in many.items())
        text += (
            f" Many classes ({counts}) stand in {GROUPS} groups of equal size: positives and "
            "differences are means over a group, grey bars where the middle half of its classes "
            "lies."
        )
    partly = [title for title, here in parts.items() if here["group_low"].isna().all()]
    if partly:
        text += f" There are none for {join_words(partly)}, which is annotated in part."
    return text


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the panels show, what the groups are, and where the methods of both papers gain."""
    reference = method_titles(settings)[settings["reference"]]
    return (
        f"Average precision of each class on the test images minus that of {reference}, in points, "
        f"paired by seed: {seeds_phrase(settings, 'mean of')}, at {selection_phrase(settings)}. "
        "Classes go from the most frequent to the rarest; the last panel has the training images "
        f"in which each is present, observed or not.{_gains(frame, settings)} "
        f"{interval_phrase(settings, subject='Bars, 95 % intervals,')} They are of each class "
        "alone, and not corrected for the number of classes."
        f"{_groups_phrase(frame, settings)} {data_phrase(settings)}"
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
