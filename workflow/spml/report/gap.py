"""The gap closed as a picture that answers: places in it in percent, so that it fits any window."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.ticker import MaxNLocator

from spml.exhibits.gap import (
    by_method,
    family_titles,
    format_share,
    lower_end,
    places,
    result_phrase,
    upper_end,
)
from spml.exhibits.papers import REFERENCES
from spml.exhibits.tables import format_interval, format_number
from spml.report.curves import Tick
from spml.report.pages import method_page, run_anchor


class Dot(NamedTuple):
    """A run: where it stands, what it says and the place that a click leads to."""

    place: float
    text: str
    address: str


class Row(NamedTuple):
    """A method. below: its mAP, where that lies below the axis; nothing of it is drawn then.

    kind: the paper whose method it is, else ``other``. papers: those that compare it.
    """

    key: str
    name: str
    page: str
    kind: str
    family: str
    papers: str
    text: str
    mean: float
    low: float
    high: float
    published: float | None
    below: str
    dots: list[Dot]
    map: str
    share: str


class Rule(NamedTuple):
    """An end of the gap."""

    place: float
    text: str


class Gap(NamedTuple):
    """What is compared at once. families, papers: what its rows can be filtered by, with titles."""

    title: str
    result: str
    rows: list[Row]
    rules: list[Rule]
    ticks: list[Tick]
    families: dict[str, str]
    papers: dict[str, str]


def _text(row: pd.Series, name: str) -> str:
    """A method in words."""
    text = (
        f"{name}: {format_number(row['map'])} % mAP "
        f"({format_interval(row['map_low'], row['map_high'], sign=False)})"
    )
    if not pd.isna(row["share"]):
        ends = format_interval(row["share_low"], row["share_high"], 0, sign=False)
        text += f", {format_number(row['share'], 0)} % of the gap ({ends})"
    if not pd.isna(row["published"]):
        text += f"; published: {row['published']} %"
    return text


def _draw(here: pd.DataFrame, title: str, names: Mapping[str, str], definition: Any) -> Gap:
    methods = by_method(here)
    reference, full = definition["reference"], definition["full"]
    low = lower_end(here, reference, full)
    high = upper_end(methods, low)

    def across(value: float) -> float:
        return round(float(min(100, max(0, 100 * (value - low) / (high - low)))), 2)

    rows = []
    for method, row in methods.iterrows():
        key = str(method)
        runs = here[here["method"] == key].to_dict("records")
        below = row["map"] < low
        published = float("nan") if pd.isna(row["published"]) else float(row["published"])
        rows.append(
            Row(
                key=key,
                name=names[key],
                page=method_page(key),
                kind=row["family"] if row["family"] in REFERENCES else "other",
                family=row["family"],
                papers=row["papers"],
                text=_text(row, names[key]),
                mean=across(row["map"]),
                low=across(row["map_low"]),
                high=across(row["map_high"]),
                published=None if pd.isna(published) or published < low else across(published),
                below=format_number(row["map"]) if below else "",
                dots=[]
                if below
                else [
                    Dot(
                        across(run["run_map"]),
                        f"{names[key]}, seed {run['seed']}: {format_number(run['run_map'], 2)} %",
                        f"{method_page(key)}#"
                        + run_anchor(run["dataset"], run["protocol"], run["seed"]),
                    )
                    for run in runs
                    if run["run_map"] >= low
                ],
                map=format_number(row["map"]),
                share=format_share(row["share"]),
            )
        )
    families = family_titles(definition.get("families", {}))
    return Gap(
        title=title,
        result=result_phrase(here, names, reference, full, title),
        rows=rows,
        rules=[
            Rule(across(methods.loc[name, "map"]), names[name])
            for name in (reference, full)
            if name in methods.index
        ],
        ticks=[
            Tick(across(value), f"{value:g}")
            for value in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
            if low <= value <= high
        ],
        families={key: families[key] for key in dict.fromkeys(row.family for row in rows)},
        papers={
            paper: paper.upper()
            for paper in REFERENCES
            if any(paper in row.papers.split() for row in rows)
        },
    )


def read_gaps(
    path: Path,
    definition: Mapping[str, Any],
    names: Mapping[str, str],
    titles: Mapping[tuple[str, str], str],
) -> list[Gap]:
    """What is compared at once, from the data of ``extra_gap_closed``.

    definition: the exhibit's in the configuration. names: of methods. titles: of each dataset under
    a protocol.
    """
    data = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"published": "str"})
    found = places(data)
    keys = [(place.dataset, place.protocol) for place, _ in found]
    return [
        _draw(
            here,
            titles[key] + (f": {place.group}" if keys.count(key) > 1 else ""),
            names,
            definition,
        )
        for key, (place, here) in zip(keys, found, strict=True)
    ]
