"""Test mAP against the number of labels that training may see, thinned out by images."""

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spml.data.observation import load_observation
from spml.exhibits.comparison import (
    any_published,
    numbers_beside,
    published_columns,
    sources_phrase,
)
from spml.exhibits.estimates import difference_columns, interval_columns, map_estimates
from spml.exhibits.figure import figure_command
from spml.exhibits.published import KINDS, Published
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    curve_title,
    data_phrase,
    interval_phrase,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.style import (
    SERIES,
    PowersOfTen,
    add_grid,
    draw_points,
    legend_outside,
    new_panels,
    set_title,
)
from spml.plumbing.addresses import observed_path, table_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

METRIC = "test_map_{}_percent"  # of published numbers
OWN = (
    *("mean", "std", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)


def count_observed(block: Block, observation: str) -> tuple[int, int]:
    """Training images, and the labels of them that training sees."""
    found = load_observation(observed_path(block.dataset, block.protocol, observation))
    observed = found.observed[found.train]
    return len(found.train), int((observed != 0).sum())


def _published_percents(numbers: list[Published], block: Block, base: str) -> set[int]:
    pattern = METRIC.replace("{}", r"(\d+)")
    matches = [
        re.fullmatch(pattern, number.metric)
        for number in numbers
        if (number.dataset, number.protocol, number.method) == (block.dataset, block.protocol, base)
    ]
    return {int(match[1]) for match in matches if match}


def _own_points(
    block: Block, settings: dict[str, Any], collected: pd.DataFrame
) -> dict[str, dict[int, dict[str, Any]]]:
    """For each method whose images are thinned out its points, by percent of the images."""
    whole, _ = count_observed(block, block.observation)
    counts: dict[str, tuple[int, int]] = {}
    points: dict[str, dict[int, dict[str, Any]]] = {}
    estimates = map_estimates(block, method_titles(settings), settings["seeds"], collected)
    for method, title in method_titles(settings).items():
        observation = block.observation_of(method)
        if observation not in counts:
            counts[observation] = count_observed(block, observation)
        images, labels = counts[observation]
        here = select_rows(collected, block, method)
        values = here.loc[here["metric"] == "test_map", "value"]
        base = re.sub(r"_\d+_percent$", "", method)
        reference = method.replace(base, settings.get("reference", ""), 1)
        points.setdefault(base, {})[round(100 * images / whole)] = {
            "curve": curve_title(title),
            "images": images,
            "labels": labels,
            "seeds": len(values),
            "mean": values.mean(),
            "std": values.std(ddof=1),
            **interval_columns(estimates[method]),
            **difference_columns(estimates[method], estimates.get(reference)),
        }
    return points


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method and percentage of its images, our own or published; mAP in percent.

    ``low`` and ``high`` are the 95 % interval of ``mean``; ``difference`` is that to the reference
    on the same share of the images, with its interval.

    ``images`` and ``labels`` are what training sees. Where there is a published number but no run,
    they follow from those of the run that sees the most.
    """
    collected = pd.read_csv(verified(table_path(settings["paper"], settings["name"])))
    rows = []
    for block in blocks(settings):
        numbers = numbers_beside(settings, block)
        for base, points in _own_points(block, settings, collected).items():
            most = max(points)
            for percent in sorted({*points, *_published_percents(numbers, block, base)}):
                point = points.get(percent)
                if point is None:
                    share = percent / most
                    point = {
                        "curve": points[most]["curve"],
                        "images": round(share * points[most]["images"]),
                        "labels": round(share * points[most]["labels"]),
                        "seeds": 0,
                        **dict.fromkeys(OWN, np.nan),
                    }
                published = published_columns(
                    numbers,
                    point["mean"],
                    point["std"],
                    method=base,
                    dataset=block.dataset,
                    metric=METRIC.format(percent),
                    protocol=block.protocol,
                )
                rows.append(
                    block_columns(block, method=base, percent=percent, **point, **published)
                )
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """A panel a dataset and protocol, a line a method; published numbers are open markers."""
    shown = blocks(settings)
    figure, panels = new_panels(len(shown), height=2.9)
    for block, axes in zip(shown, panels, strict=True):
        here = select_rows(frame, block)
        for position, (curve, line) in enumerate(here.groupby("curve", sort=False)):
            own = line[line["seeds"] > 0]
            draw_points(axes, own["labels"], own, position, str(curve))
            published = line.dropna(subset="published")
            axes.plot(
                published["labels"],
                published["published"].astype("float"),
                color=SERIES[position % len(SERIES)][0],
                linestyle="none",
                marker=SERIES[position % len(SERIES)][2],
                markerfacecolor="none",
                markersize=5,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(PowersOfTen())
        axes.xaxis.set_minor_formatter(PowersOfTen())
        axes.set_xlabel("Observed labels")
        axes.set_ylabel("Test mAP (%)")
        add_grid(axes)
        if len(shown) > 1:
            set_title(axes, block.title)
    legend_outside(figure, *panels[0].get_legend_handles_labels())
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows."""
    percents = frame.loc[frame["seeds"] > 0, "percent"]
    text = (
        f"Test mAP against the number of labels that training sees, of {percents.min()} % to "
        f"{percents.max()} % of the training images. {data_phrase(settings)} Methods for full "
        "labels see every label of an image. "
        f"{seeds_phrase(settings, 'Mean of')}, at {selection_phrase(settings)}. "
        f"{interval_phrase(settings, subject='Bars, 95 % intervals,')}"
    )
    if any_published(frame):
        kinds = [kind for kind in KINDS if (frame["published_kind"] == kind).any()]
        meanings = " and ".join(f"{kind} ({KINDS[kind]})" for kind in kinds)
        text += f" Open markers: published, {meanings}.{sources_phrase(frame)}"
    return text


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
