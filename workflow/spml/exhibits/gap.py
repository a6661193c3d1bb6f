"""The gap between a reference and full labels, and what of it each method closes: numbers in words.

Read by the figure ``extra_gap_closed`` and by the report's front page.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from spml.exhibits.papers import REFERENCES
from spml.exhibits.settings import join_words
from spml.exhibits.tables import NOTHING, format_interval, format_number

OTHER = "other"  # the family of methods that the configuration puts into none
BELOW = 0.35  # of the gap: how far below the reference an axis goes
ROOM = 0.04  # of the axis, above all that it shows


class Place(NamedTuple):
    """What is compared at once: a dataset under a protocol, and the exhibits that compare it."""

    dataset: str
    protocol: str
    group: str


def places(frame: pd.DataFrame) -> list[tuple[Place, pd.DataFrame]]:
    """The data of each place, in order."""
    return [
        (Place(*map(str, key)), here)
        for key, here in frame.groupby(["dataset", "protocol", "group"], sort=False)
    ]


def by_method(here: pd.DataFrame) -> pd.DataFrame:
    """A row a method, from the highest mAP to the lowest, of what does not depend on the seed."""
    return here.groupby("method", sort=False).first().sort_values("map", ascending=False)


def families_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The family of each method that is in one."""
    return {
        method: key
        for key, family in settings.get("families", {}).items()
        for method in family["methods"]
    }


def lower_end(here: pd.DataFrame, reference: str, full: str) -> float:
    """Where the axis begins: little below the reference, whatever lies farther down.

    All runs of methods whose mean lies above that are on it. Without both ends of the gap it begins
    below all runs.
    """
    means = here.groupby("method")["map"].first()
    if not {reference, full} <= set(means.index):
        return float(min(here["run_map"].min(), here["map_low"].min()))
    low = means[reference] - BELOW * abs(means[full] - means[reference])
    low = min(low, here.loc[here["method"] == reference, "map_low"].iloc[0])
    return float(min(low, here.loc[here["map"] >= low, "run_map"].min()))


def upper_end(methods: pd.DataFrame, low: float) -> float:
    """Where the axis from ``low`` ends: above all intervals and published numbers."""
    published = [float(value) for value in methods["published"].dropna()]
    highest = float(max([*methods["map_high"], *published]))
    return highest + ROOM * (highest - low)


def family_titles(families: Mapping[str, Any]) -> dict[str, str]:
    """Title of each family of methods."""
    return {key: family["title"] for key, family in families.items()} | {OTHER: "Others"}


def format_share(value: float) -> str:
    """A share of the gap in percent; a dash where there is none."""
    return NOTHING if pd.isna(value) else f"{format_number(value, 0)} %"


def _share_phrase(row: pd.Series) -> str:
    ends = format_interval(row["share_low"], row["share_high"], 0, sign=False)
    return f"{format_number(row['share'], 0)} % ({ends})"


def _of_papers(methods: pd.DataFrame) -> list[pd.DataFrame]:
    """The methods of each paper, the highest first; papers without one are left out."""
    found = [methods[methods["family"] == paper] for paper in REFERENCES]
    return [own for own in found if len(own)]


def _apart_phrase(methods: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Which methods cannot be told from the best of those that see the protocol's labels."""
    ranked = methods[methods["ranked"].astype(bool)]
    if len(ranked) < 2:
        return ""
    close = ranked[~ranked["below_best"].astype(bool)]
    if len(close) == 1:
        return f" {titles[str(close.index[0])]} is above all others."
    names = join_words(titles[str(name)] for name in close.index)
    return f" Not told apart at the top: {names}."


def result_phrase(
    here: pd.DataFrame, titles: Mapping[str, str], reference: str, full: str, where: str
) -> str:
    """What the reference loses to full labels, what is won back, and what cannot be told apart.

    here: the data of one place. where: its name.
    """
    methods = by_method(here)
    apart = _apart_phrase(methods, titles)
    if reference not in methods.index or full not in methods.index:
        return f"On {where}, the gap to full labels was not run.{apart}"
    row = methods.loc[full]
    lost = (
        f"On {where}, {titles[reference]} loses {format_number(row['gap'])} points of mAP "
        f"(95 % interval {format_interval(row['gap_low'], row['gap_high'], sign=False)}) against "
        f"{titles[full]}"
    )
    if not row["gap_low"] > 0:
        return f"{lost}, which may be chance.{apart}"
    best = [
        f"{titles[str(own.index[0])]}{' wins back' * (not place)} {_share_phrase(own.iloc[0])}"
        for place, own in enumerate(_of_papers(methods))
    ]
    return f"{lost}{f'; of that, {join_words(best)}' if best else ''}.{apart}"
