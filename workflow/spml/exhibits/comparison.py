"""What tables of results share: means over seeds, and published numbers beside ours.

A published number is shown as printed, and only ever read from config/published.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from spml.exhibits.published import KINDS, Published, PublishedError, find, read_published
from spml.exhibits.records import select_rows
from spml.exhibits.settings import Block, join_words, method_titles
from spml.exhibits.tables import NOTHING, format_mean, format_number, rank_marks
from spml.plumbing.addresses import published_path
from spml.plumbing.errors import UserError

PUBLISHED_COLUMNS = [
    *("published", "published_std", "published_kind", "published_method", "published_protocol"),
    *("published_metric", "published_source", "published_note", "published_difference"),
    "published_uncertainty",
]

Cell = Mapping[str, Any]  # a row of an exhibit's data


def published_numbers(settings: Mapping[str, Any]) -> list[Published]:
    """The published numbers of an exhibit."""
    try:
        return read_published(published_path(settings["paper"], settings["name"]))
    except PublishedError as error:
        raise UserError(str(error)) from error


def numbers_beside(settings: Mapping[str, Any], block: Block) -> list[Published]:
    """The published numbers that may stand beside a block's: none where its backbone is frozen.

    The papers train the whole network.
    """
    return [] if block.frozen else published_numbers(settings)


def own_columns(collected: pd.DataFrame, block: Block, method: str, metric: str) -> dict[str, Any]:
    """Number of seeds, mean and sample deviation (n - 1) of one metric in percent."""
    here = select_rows(collected, block, method)
    values = here.loc[here["metric"] == metric, "value"]
    return {"seeds": len(values), "map_mean": values.mean(), "map_std": values.std(ddof=1)}


def _uncertainty(deviation: float | None, number: Published) -> float | None:
    """Two standard deviations of a difference between two runs, ours and the published one.

    Where only one of the deviations is known, the other is taken to be as large. Half a unit of the
    last printed digit comes on top. None where neither is known.
    """
    known = [float(number.std)] if number.std else []
    if deviation is not None and not pd.isna(deviation):
        known.append(deviation)
    if not known:
        return None
    digits = len(number.value.partition(".")[2])
    squares = [value**2 for value in known]
    return float(2 * (2 * sum(squares) / len(squares)) ** 0.5 + 0.5 * 10**-digits)


def published_columns(
    numbers: Sequence[Published],
    mean: float,
    deviation: float | None,
    *,
    method: str,
    dataset: str,
    metric: str,
    protocol: str | None = None,
) -> dict[str, Any]:
    """The published number of a cell, the difference of ours to it and what may be chance in that.

    mean, deviation: ours over seeds; a deviation of 0 says that our number is exact, None or NaN
    that it is not known. Each column is None where there is no published number.
    """
    try:
        number = find(numbers, method=method, dataset=dataset, metric=metric, protocol=protocol)
    except PublishedError as error:
        raise UserError(str(error)) from error
    if number is None:
        return dict.fromkeys(PUBLISHED_COLUMNS)
    return {
        "published": number.value,
        "published_std": number.std,
        "published_kind": number.kind,
        "published_method": number.method,
        "published_protocol": number.protocol,
        "published_metric": number.metric,
        "published_source": number.source,
        "published_note": number.note,
        "published_difference": mean - float(number.value),
        "published_uncertainty": _uncertainty(deviation, number),
    }


def published_only(settings: Mapping[str, Any]) -> dict[str, str]:
    """Title of each method that is published but not run."""
    return {name: item["title"] for name, item in settings.get("published_only", {}).items()}


def not_run_phrase(settings: Mapping[str, Any]) -> str:
    """Which methods are published but not run, and why; empty where there are none."""
    reasons: dict[str, list[str]] = {}
    for item in settings.get("published_only", {}).values():
        reasons.setdefault(item["reason"], []).append(item["title"])
    return "".join(
        f" Not run: {join_words(titles)}, since {reason}." for reason, titles in reasons.items()
    )


def any_published(frame: pd.DataFrame) -> bool:
    """Whether any cell has a published number."""
    return bool(frame["published"].notna().any())


def format_own(cell: Cell | None) -> str:
    """Our mean and deviation; a dash where there is no run."""
    if cell is None or pd.isna(cell["map_mean"]):
        return NOTHING
    return format_mean(cell["map_mean"], None if pd.isna(cell["map_std"]) else cell["map_std"])


def format_published(cell: Cell | None) -> str:
    """The number as printed and its kind; empty where there is none."""
    if cell is None or pd.isna(cell["published"]):
        return ""
    spread = f" ± {cell['published_std']}" if cell["published_std"] else ""
    return f"{cell['published']}{spread} ({cell['published_kind']})"


def format_difference(cell: Cell | None, decimals: int = 1) -> str:
    """Ours minus published with a sign; empty where one of them is missing."""
    if cell is None or pd.isna(cell["published_difference"]):
        return ""
    return format_number(cell["published_difference"], decimals, sign=True)


def mark_best(cells: Sequence[Cell | None]) -> dict[int, str]:
    """Positions of the best and the second of our means, among the cells that are ranked."""
    return rank_marks(
        [
            None if cell is None or not cell["ranked"] or pd.isna(cell["map_mean"])
            else cell["map_mean"]
            for cell in cells
        ]
    )  # fmt: skip


def ranking_phrase(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What is marked, and which methods take no part in it."""
    titles = method_titles(settings)
    text = "Best in bold, second underlined"
    unranked = frame.loc[~frame["ranked"], "method"].unique()
    if len(unranked):
        verb = "which trains" if len(unranked) == 1 else "which train"
        text += (
            f"; not ranked: {join_words(titles[name] for name in unranked)}, {verb} on other labels"
        )
    return f"{text}."


def _listed(values: pd.Series) -> list[str]:
    return [text for text in values.dropna().unique() if text]


def published_phrase(frame: pd.DataFrame) -> str:
    """Where the published numbers come from, with a space before; empty where there are none."""
    if not any_published(frame):
        return ""
    kinds = _listed(frame["published_kind"])
    meanings = join_words(f"{kind} ({text})" for kind, text in KINDS.items() if kind in kinds)
    text = f" Published numbers are {meanings}; differences are ours minus published."
    if frame["published"].isna().any():
        text += " Empty cells: no published value available."
    return text + sources_phrase(frame)


def sources_phrase(frame: pd.DataFrame) -> str:
    """Sources of the published numbers, and notes on them, with a space before."""
    text = f" Sources: {'; '.join(_listed(frame['published_source']))}."
    if notes := _listed(frame["published_note"]):
        text += f" Notes on them: {'; '.join(notes)}."
    return text
