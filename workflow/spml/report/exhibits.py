"""The exhibits as pages show them: tables, picture, caption, downloads, and what they rest on."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spml.exhibits.markdown import Table, parse_tables
from spml.plumbing.addresses import exhibit_path, published_path, split_key, table_path
from spml.plumbing.checksums import verified
from spml.report.pages import method_page, paper_page, runs_anchor
from spml.report.runs import Run

DOWNLOADS = ("pdf", "svg", "png", "csv", "md", "tex")

Place = tuple[str, str]


@dataclass(frozen=True)
class Picture:
    """An SVG and the size in pixels at which it is shown."""

    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Exhibit:
    """What one exhibit left, read from its files.

    sources: further files that its numbers come from. runs: the runs that it shows. method_pages:
    the page of each method that its tables name, by the title in them. place_titles: of each
    dataset under a protocol, the titles of both.
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
    place_titles: Mapping[Place, tuple[str, str]]

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        """Where each method has runs that are shown, by the method's page."""
        found: dict[str, dict[Place, None]] = {}
        for run in self.runs:
            found.setdefault(method_page(run.method), {})[run.place] = None
        return {page: list(places) for page, places in found.items()}

    def _page(self, row: str) -> str:
        """The page of the method whose runs a row shows; empty where there is none.

        Where an exhibit shows one method alone, its rows are something else.
        """
        alone = next(iter(self._places)) if len(self._places) == 1 else ""
        page = self.method_pages.get(row, alone)
        return page if page in self._places else ""

    @property
    def leads_to_runs(self) -> bool:
        """Whether any row of its tables is of runs."""
        return any(self._page(row[0]) for table in self.tables for row in table.rows)

    def runs_address(self, table: Table, row: int, column: int) -> str:
        """Where the runs behind a number stand, relative to the site; empty where there are none.

        A table of several says with its title which dataset it shows, and with its headings which
        protocol. Where that leaves a choice, all runs of the method are meant.
        """
        heading, cell = table.header[column], table.rows[row][column]
        page = self._page(table.rows[row][0])
        if not page or "published" in heading.lower() or not re.search(r"\d", cell):
            return ""

        def of_table(place: Place) -> bool:
            titles = self.place_titles[place]
            return table.title in (titles[0], ", ".join(titles))

        def of_column(place: Place) -> bool:
            return heading.startswith(f"{self.place_titles[place][1]}: ")

        places = _narrowed(_narrowed(self._places[page], of_table), of_column)
        return f"{page}#{runs_anchor(*places[0]) if len(places) == 1 else 'runs'}"

    @property
    def paper(self) -> str:
        return split_key(self.key)[0]

    @property
    def address(self) -> str:
        """Where it is shown, relative to the site."""
        return f"{paper_page(self.paper)}#{self.key}"


def _narrowed(places: list[Place], meant: Callable[[Place], bool]) -> list[Place]:
    """Those that are meant; all where none is."""
    return [place for place in places if meant(place)] or places


def read_picture(path: Path) -> Picture:
    """The picture in an SVG of matplotlib's, whose size in points stands in its first element.

    Shown at 125 pixels an inch its text is as large as that of the page's captions.
    """
    text = path.read_text(encoding="utf-8")
    width, height = (
        round(float(size) * 125 / 72)
        for size in re.findall(r'\b(?:width|height)="([\d.]+)pt"', text)[:2]
    )
    return Picture(path, width, height)


def read_exhibit(
    item: dict[str, Any],
    definition: dict[str, Any],
    select: dict[str, Any],
    runs: Sequence[Run],
    titles: Mapping[str, str],
    place_titles: Mapping[Place, tuple[str, str]],
) -> Exhibit:
    """One exhibit.

    item: key, title, pairs of dataset and protocol, and methods left out. definition: its entry in
    config/exhibits.yaml. select: what is selected. runs: all runs of the report. titles: those of
    the methods; of two with one title, a table means the one whose runs it shows, else the first.
    place_titles: those of each dataset and protocol that has runs.
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
        picture=read_picture(files["svg"]) if "svg" in files else None,
        files=files,
        sources=[path for path in sources if path.is_file()],
        runs=shown,
        method_pages=pages,
        place_titles=place_titles,
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
