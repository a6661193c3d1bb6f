"""The exhibits as pages show them: tables, picture, caption, downloads, and what they rest on."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spml.exhibits.markdown import Table, parse_tables
from spml.plumbing.addresses import exhibit_path, published_path, split_key, table_path
from spml.plumbing.checksums import verified
from spml.report.pages import method_page, paper_page
from spml.report.runs import Run

DOWNLOADS = ("pdf", "png", "csv", "md", "tex")


@dataclass(frozen=True)
class Picture:
    """A PNG and the size in pixels at which it is shown."""

    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Exhibit:
    """What one exhibit left, read from its files.

    sources: further files that its numbers come from. runs: the runs that it shows. method_pages:
    the page of each method that its tables name, by the title in them.
    """

    key: str
    title: str
    caption: str
    tables: Sequence[Table]
    picture: Picture | None
    files: dict[str, Path]
    sources: Sequence[Path]
    runs: Sequence[Run]
    method_pages: dict[str, str]

    @property
    def paper(self) -> str:
        return split_key(self.key)[0]

    @property
    def address(self) -> str:
        """Where it is shown, relative to the site."""
        return f"{paper_page(self.paper)}#{self.key}"


def read_picture(path: Path) -> Picture:
    """The picture in a PNG, whose size stands in its first bytes.

    Pictures are drawn at 200 dots an inch; shown at 125 an inch, their text is as large as that of
    the page's captions.
    """
    with path.open("rb") as file:
        width, height = (
            round(size * 125 / 200) for size in struct.unpack(">II", file.read(24)[16:])
        )
    return Picture(path, width, height)


def read_exhibit(
    item: dict[str, Any],
    definition: dict[str, Any],
    select: dict[str, Any],
    runs: Sequence[Run],
    titles: Mapping[str, str],
) -> Exhibit:
    """One exhibit.

    item: key, title, pairs of dataset and protocol, and methods left out. definition: its entry in
    config/exhibits.yaml. select: what is selected. runs: all runs of the report. titles: those of
    the methods; of two with one title, a table means the one whose runs it shows, else the first.
    """
    key = item["key"]
    files = {
        suffix: verified(path)
        for suffix in DOWNLOADS
        if (path := exhibit_path(key, f".{suffix}")).is_file()
    }
    published = [key, *definition.get("published_from", [])]
    sources = [
        table_path(*split_key(key)),
        *(published_path(*split_key(name)) for name in published),
    ]
    pairs = {tuple(pair) for pair in item["pairs"]}
    seeds = definition.get("seeds", select["seeds"])

    def shows(protocol: str, method: str) -> bool:
        methods = definition.get("methods_under", {}).get(protocol, definition["methods"])
        if methods == "selected":
            return method in select["methods"] and method not in item.get("left_out", ())
        return method in methods

    shown = [
        run
        for run in runs
        if (run.dataset, run.protocol) in pairs
        and shows(run.protocol, run.method)
        and run.seed in seeds
    ]
    own = dict.fromkeys(run.method for run in shown)
    pages: dict[str, str] = {}
    for name in [*own, *titles]:
        pages.setdefault(titles[name], method_page(name))
    return Exhibit(
        key=key,
        title=item["title"],
        caption=verified(exhibit_path(key, ".caption.txt")).read_text(encoding="utf-8").strip(),
        tables=parse_tables(files["md"].read_text(encoding="utf-8")) if "md" in files else [],
        picture=read_picture(files["png"]) if "png" in files else None,
        files=files,
        sources=[path for path in sources if path.is_file()],
        runs=shown,
        method_pages=pages,
    )


def rows_of(table: Table, title: str) -> Table | None:
    """The rows of one method alone; None where there are none."""
    places = [place for place, row in enumerate(table.rows) if row[0] == title]
    marks = {
        (places.index(row), column): mark
        for (row, column), mark in table.marks.items()
        if row in places
    }
    rows = [table.rows[place] for place in places]
    return Table(table.header, rows, table.title, marks) if rows else None
