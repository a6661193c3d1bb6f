"""The published numbers in config/published: one CSV an exhibit, a row a number, as printed.

Columns: paper and exhibit, which name the file (gr_main_table.csv is exhibit main_table of paper
gr); method, dataset, protocol and metric as in the tidy tables, empty where a number has none;
value and std as printed, misprints included; kind; source, which a reader can follow; and a note.

Planning imports this module, so it imports nothing but the standard library.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

KINDS = {
    "primary": "by the authors of the table",
    "secondary": "reprinted or run again by others",
    "digitised": "read off a figure",
}
REQUIRED = ("paper", "exhibit", "metric", "value", "kind", "source")


class PublishedError(Exception):
    """A mistake in a file of published numbers, in a sentence."""


class Published(NamedTuple):
    """One published number; ``value`` and ``std`` are the printed text."""

    paper: str
    exhibit: str
    method: str
    dataset: str
    protocol: str
    metric: str
    value: str
    std: str
    kind: str
    source: str
    note: str


def _check_row(row: Published, path: Path, place: str) -> None:
    def fail(column: str, text: str) -> None:
        raise PublishedError(f"{place}: {column} is {getattr(row, column)!r}; {text}")

    for column in REQUIRED:
        if not getattr(row, column):
            fail(column, "it must not be empty")
    if f"{row.paper}_{row.exhibit}" != path.stem:
        fail("exhibit", f"the rows of {row.paper}_{row.exhibit} stand in a file of that name")
    if row.kind not in KINDS:
        fail("kind", f"allowed: {', '.join(sorted(KINDS))}")
    for column in ("value", "std"):
        if getattr(row, column) and not re.fullmatch(r"\d+(\.\d+)?", getattr(row, column)):
            fail(column, "a plain decimal number is expected")


def read_published(path: str | Path) -> list[Published]:
    """The numbers of one exhibit; a mistake in the file is a PublishedError."""
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        columns = next(reader, [])
        for column in columns:
            if column not in Published._fields:
                allowed = ", ".join(Published._fields)
                raise PublishedError(f"{path}: {column!r} is not a column; allowed: {allowed}")
        if columns != list(Published._fields):
            raise PublishedError(f"{path}: the columns must be {', '.join(Published._fields)}")
        rows: dict[tuple[str, ...], Published] = {}
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if len(cells) != len(columns):
                raise PublishedError(f"{place}: {len(columns)} columns are expected")
            row = Published(*cells)
            _check_row(row, path, place)
            cell = (row.method, row.dataset, row.protocol, row.metric, row.source)
            if cell in rows:
                named = " ".join(filter(None, cell[:4]))
                raise PublishedError(f"{place}: {named} stands there twice from the same source")
            rows[cell] = row
    return list(rows.values())


def check(folder: str | Path) -> None:
    """Raise PublishedError for the first mistake in the files of ``folder``."""
    for path in sorted(Path(folder).glob("*.csv")):
        read_published(path)


def find(
    rows: Iterable[Published],
    *,
    method: str,
    dataset: str,
    metric: str,
    protocol: str | None = None,
) -> Published | None:
    """The number of one cell, or None; ``protocol`` None takes one of any protocol.

    More than one is a PublishedError, since nothing says which of them to show.
    """
    found = [
        row
        for row in rows
        if (row.method, row.dataset, row.metric) == (method, dataset, metric)
        and protocol in (None, row.protocol)
    ]
    if len(found) > 1:
        sources = " and ".join(row.source for row in found)
        raise PublishedError(
            f"{found[0].paper}_{found[0].exhibit}.csv: {method} {dataset} {metric} has "
            f"{len(found)} values ({sources}), and one can be shown"
        )
    return found[0] if found else None
