"""Print a finished exhibit in the terminal: ``python -m spml.show [exhibit]``.

Imports no more than it needs, so that it answers at once.
"""

import argparse
import csv
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from spml.addresses import REPORT, exhibit_path
from spml.errors import UserError, run_command
from spml.markdown import BEST, SECOND, Table, parse_tables

# What a terminal does to text: bold, underlined, and back to normal.
_ESCAPES = {BEST: "\x1b[1m", SECOND: "\x1b[4m"}
_NORMAL = "\x1b[0m"

WIDTH = 88  # letters a line of a caption


def configured_exhibits() -> list[str]:
    """The keys of config/exhibits.yaml; none outside the project's folder."""
    import yaml

    path = Path("config/exhibits.yaml")
    return list(yaml.safe_load(path.read_text())["exhibits"]) if path.is_file() else []


def read_tables(exhibit: str) -> list[Table]:
    """The tables of an exhibit; for a figure, its data."""
    table = exhibit_path(exhibit, ".md")
    if table.is_file():
        return parse_tables(table.read_text(encoding="utf-8"))
    data = exhibit_path(exhibit, ".csv")
    if data.is_file():
        with data.open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
        return [Table(header, rows)]
    known = configured_exhibits()
    if known and exhibit not in known:
        raise UserError(
            f"there is no exhibit {exhibit!r} in config/exhibits.yaml; there are: "
            f"{', '.join(known)}"
        )
    raise UserError(
        f"{table} is not there yet; make it with: snakemake --cores all {exhibit}  "
        "(or everything with: make demo), in the project's folder"
    )


def align(table: Table, *, colour: bool = False) -> str:
    """Columns of equal width, the first to the left and the others to the right.

    colour: mark the best and the second with what terminals show as bold and underlined.
    """
    lines: list[Sequence[str]] = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    text = [f"{table.title}\n"] if table.title else []
    for number, line in enumerate(lines):
        cells = []
        for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
            padding = " " * (width - len(cell))
            mark = _ESCAPES.get(table.marks.get((number - 1, column), "")) if colour else None
            shown = f"{mark}{cell}{_NORMAL}" if mark else cell
            cells.append(shown + padding if column == 0 else padding + shown)
        text.append("  ".join(cells).rstrip() + "\n")
        if number == 0:
            text.append("  ".join("-" * width for width in widths) + "\n")
    return "".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.show", description=__doc__)
    parser.add_argument(
        "exhibit", nargs="?", default="gr_main_table", help="its key in config/exhibits.yaml"
    )
    exhibit = parser.parse_args().exhibit
    tables = read_tables(exhibit)
    print("\n".join(align(table, colour=sys.stdout.isatty()) for table in tables))
    caption = exhibit_path(exhibit, ".caption.txt")
    if caption.is_file():
        print(textwrap.fill(caption.read_text(encoding="utf-8"), WIDTH) + "\n")
    there = Path(REPORT).is_file()
    print(f"Report: {REPORT}{'' if there else ' (not there yet; make it with: make demo)'}")


if __name__ == "__main__":
    run_command(main)
