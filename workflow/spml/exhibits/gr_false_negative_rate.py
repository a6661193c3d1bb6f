"""Share of false negatives among unobserved entries, against the prediction of the model.

In each interval of the prediction p: FN / (FN + TN) over the unobserved entries of the validation
images, after the first and after the last epoch. Beside it two curves. The ideal is
k(p) = (1 - a) p / (1 - a p), with a = 1 / (mean positives of a training image): the probability
that an entry is positive although unobserved, if p is calibrated and a positive is observed with
probability a. The other is the k that GR Loss trained with in that epoch, a logistic curve. How far
each of them is from the shares is the mean distance over entries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spml.exhibits.estimates import interval_columns
from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, mean_positives, read_record, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    interval_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.style import (
    BLACK,
    BLUE,
    LIGHT_GREY,
    TEXT_WIDTH,
    VERMILLION,
    PowersOfTen,
    add_grid,
    add_legend,
    new_figure,
)
from spml.exhibits.unobserved import (
    Unobserved,
    refuse_observed,
    separation_estimate,
    unobserved_scores,
)
from spml.measures.statistics import wilson_interval
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json_lines

MOMENTS = {"val_first": "start", "val_last": "end"}
TITLES = {"start": "after the first epoch", "end": "after the last epoch"}
# Losses whose k is the logistic curve of w and b that the history of a run records.
LOGISTIC = ("gr", "gr_running_v")


def ideal_rate(prediction: np.ndarray, positives: float) -> np.ndarray:
    """k(p) = (1 - a) p / (1 - a p) with a = 1 / ``positives``; any shape, p in [0, 1]."""
    a = 1 / positives
    return (1 - a) * prediction / (1 - a * prediction)


def trained_rate(prediction: np.ndarray, schedules: Sequence[dict[str, float]]) -> np.ndarray:
    """k(p) = 1 / (1 + exp(-(w p + b))), the mean over the ``w`` and ``b`` of several runs."""
    curves = [1 / (1 + np.exp(-(each["w"] * prediction + each["b"]))) for each in schedules]
    return np.mean(curves, axis=0)


def _schedules(
    block: Block, method: str, seeds: Sequence[int]
) -> dict[str, list[dict[str, float]]]:
    """w and b of each run in the first and the last epoch; none where k is another curve."""
    if read_record(block, method, seeds[0])["settings"]["loss"] not in LOGISTIC:
        return {moment: [] for moment in MOMENTS.values()}
    histories = [
        read_json_lines(run_path(block.dataset, block.protocol, method, seed) / "history.jsonl")
        for seed in seeds
    ]
    places = {"start": 0, "end": -1}
    return {
        moment: [history[place]["schedule"] for history in histories]
        for moment, place in places.items()
    }


def _rows(
    block: Block,
    runs: Sequence[Unobserved],
    moment: str,
    schedules: Sequence[dict[str, float]],
    edges: np.ndarray,
) -> pd.DataFrame:
    """The rows of one method and moment."""
    missed, negative = (
        np.sum([np.histogram(scores, edges)[0] for scores in kind], axis=0)
        for kind in (
            [run.false_negatives for run in runs],
            [run.true_negatives for run in runs],
        )
    )
    filled = missed + negative > 0
    missed, negative = missed[filled], negative[filled]
    low, high = edges[:-1][filled], edges[1:][filled]
    middle, positives = (low + high) / 2, mean_positives(block)
    rate = missed / (missed + negative)
    # Runs see the same entries, so that several of them know no more entries than one.
    rate_low, rate_high = wilson_interval(missed / len(runs), (missed + negative) / len(runs))
    area = separation_estimate(runs)
    columns = block_columns(
        block,
        method=runs[0].method,
        moment=moment,
        low=low,
        high=high,
        false_negatives=missed,
        true_negatives=negative,
        rate=rate,
        rate_low=rate_low,
        rate_high=rate_high,
        ideal=ideal_rate(middle, positives),
        trained=trained_rate(middle, schedules) if schedules else np.nan,
        mean_positives=positives,
        area=area.mean,
        **interval_columns(area, "area_"),
    )
    frame = pd.DataFrame(columns)
    entries = missed + negative
    for name in ("ideal", "trained"):
        distance = (frame[name] - rate).abs()
        frame[f"{name}_error"] = (distance * entries).sum(min_count=1) / entries.sum()
    return frame


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method, moment and interval that holds an entry.

    ``rate`` is FN / (FN + TN) with its 95 % Wilson interval, for the entries of one run; ``ideal``
    and ``trained`` are the two curves of k at the middle of the interval, and ``ideal_error`` and
    ``trained_error`` the mean over entries of their distance to it, the same in all rows of a
    moment. So is ``area``: the area under the ROC curve of false against true negatives, with its
    95 % interval.
    """
    edges = np.linspace(0, 1, settings["intervals"] + 1)
    frames = []
    for block in blocks(settings):
        runs: dict[tuple[str, str], list[Unobserved]] = {}
        for moment, run in unobserved_scores(
            block, method_titles(settings), settings["seeds"], moments=MOMENTS
        ):
            refuse_observed(run)
            runs.setdefault((run.method, MOMENTS[moment]), []).append(run)
        for (method, moment), of_seeds in runs.items():
            schedules = _schedules(block, method, settings["seeds"])[moment]
            frames.append(_rows(block, of_seeds, moment, schedules, edges))
    return pd.concat(frames, ignore_index=True)


def _draw_moment(here: pd.DataFrame, axes: Axes, strip: Axes) -> None:
    """Shares with their intervals and both curves; below them how many entries there are."""
    middle = (here["low"] + here["high"]) / 2
    entries = here["false_negatives"] + here["true_negatives"]
    axes.vlines(
        middle, here["rate_low"], here["rate_high"], color=LIGHT_GREY, linewidth=0.8, zorder=1
    )
    axes.scatter(
        middle,
        here["rate"],
        s=2 + 26 * (entries / entries.max()) ** 0.5,
        color=BLUE,
        linewidth=0,
        zorder=3,
        label="share of false negatives",
    )
    line = np.linspace(0, 1, 201)
    first = here.iloc[0]
    axes.plot(
        line,
        ideal_rate(line, first["mean_positives"]),
        color=BLACK,
        label=f"ideal k(p), error {first['ideal_error']:.3f}",
        zorder=2,
    )
    if here["trained"].notna().all():
        axes.plot(
            middle,
            here["trained"],
            color=VERMILLION,
            linestyle="--",
            label=f"trained k(p), error {first['trained_error']:.3f}",
            zorder=2,
        )
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    axes.tick_params(labelbottom=False)
    add_legend(axes)
    add_grid(axes, "both")
    edges = np.append(here["low"], here["high"].iloc[-1])
    strip.bar(middle, entries, width=np.diff(edges).min(), color=LIGHT_GREY, linewidth=0)
    strip.set_yscale("log")
    strip.yaxis.set_major_formatter(PowersOfTen())
    strip.yaxis.set_minor_formatter(PowersOfTen())
    strip.set_xlim(0, 1)
    strip.set_xlabel("Predicted probability p")
    add_grid(strip, "x")


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A row a dataset, protocol and method: a panel a moment, with a strip of counts below it."""
    shown, titles = blocks(settings), method_titles(settings)
    panels = [(block, method) for block in shown for method in titles]
    figure, grid = new_figure(
        2 * len(panels),
        len(MOMENTS),
        width=TEXT_WIDTH,
        height=1.65,
        sharey="row",
        height_ratios=[4, 1] * len(panels),
    )
    for place, (block, method) in enumerate(panels):
        upper, lower = grid[2 * place], grid[2 * place + 1]
        name = f"{block.title}, {titles[method]}: " if len(panels) > 1 else ""
        for column, moment in enumerate(MOMENTS.values()):
            here = select_rows(frame, block, method)
            here = here[here["moment"] == moment]
            _draw_moment(here, upper[column], lower[column])
            upper[column].set_title(f"{name}{TITLES[moment]}")
        upper[0].set_ylabel("FN / (FN + TN)")
        lower[0].set_ylabel("Entries")
    return figure


def _errors(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The errors of both curves, at both moments, and the a of each dataset."""
    shown, titles = blocks(settings), method_titles(settings)
    several = len(shown) * len(titles) > 1
    parts = []
    for block in shown:
        for method, title in titles.items():
            here = select_rows(frame, block, method).groupby("moment", sort=False).first()
            name = f"{title} on {block.title}: " if several else ""
            ideal = " and ".join(f"{value:.3f}" for value in here["ideal_error"])
            text = f"{name}a = 1/{here['mean_positives'].iloc[0]:.2f}, ideal {ideal}"
            if here["trained_error"].notna().all():
                trained = " and ".join(f"{value:.3f}" for value in here["trained_error"])
                text += f", trained {trained}"
            area = here.loc["end"]
            text += (
                f"; area under the ROC curve at the end {area['area']:.3f} "
                f"({area['area_low']:.3f} to {area['area_high']:.3f})"
            )
            parts.append(text)
    return "; ".join(parts)


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, what the ideal curve assumes, and how far both curves are off."""
    entries = frame["false_negatives"] + frame["true_negatives"]
    few = int((entries < 20).sum())
    of_one_run = " for the entries of one run" * (len(settings["seeds"]) > 1)
    trained = (
        " Dashed: the k that GR Loss trained with in that epoch, 1 / (1 + exp(−(wp + b)))."
        if frame["trained"].notna().any()
        else ""
    )
    return (
        "Share of false negatives among the unobserved entries of the validation images, "
        f"FN / (FN + TN), in {settings['intervals']} equal intervals of the predicted probability "
        "p, after the first epoch and after the last. Points are larger where there are more "
        f"entries, whose numbers stand below; bars: 95 % Wilson intervals{of_one_run}; {few} of "
        f"{len(frame)} intervals of p hold fewer than 20 entries, and those without any are left "
        "out. Line: k(p) = (1 − a)p / (1 − ap), the share that is to be expected if p is "
        "calibrated and one positive of each image is observed, drawn uniformly, where 1/a is the "
        f"mean number of positives of a training image.{trained} Error of a curve: its distance to "
        "the share, averaged over entries, after the first and after the last epoch. "
        f"{_errors(frame, settings)}. "
        f"{interval_phrase(settings, 'validation images', 'Intervals of areas')} "
        f"{data_phrase(settings)} "
        f"{join_words(method_titles(settings).values())}, {seeds_phrase(settings, 'pooled over')}."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
