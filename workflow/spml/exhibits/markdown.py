"""Tables as Markdown: written by exhibits, read back by the report and the terminal.

A document is a row of tables. Where there are several, a heading goes before each. ``**`` marks the
best cell of a column and ``<ins>`` the second.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

BEST, SECOND = "best", "second"
_MARKS = {BEST: ("**", "**"), SECOND: ("<ins>", "</ins>")}


@dataclass(frozen=True)
class Table:
    """Plain texts in rows and columns.

    marks: what is ``best`` or ``second``, by (row, column). The first column names the row.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    marks: dict[tuple[int, int], str] = field(default_factory=dict)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def format_tables(tables: Sequence[Table]) -> str:
    """The document that :func:`parse_tables` reads."""
    parts = []
    for table in tables:
        lines = [f"### {table.title}", ""] if table.title else []
        lines += [_line(table.header), _line([":--", *["--:"] * (len(table.header) - 1)])]
        for row, cells in enumerate(table.rows):
            marked = []
            for column, cell in enumerate(cells):
                before, after = _MARKS.get(table.marks.get((row, column), ""), ("", ""))
                marked.append(f"{before}{cell}{after}")
            lines.append(_line(marked))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _split(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [cell.strip().replace("\\|", "|") for cell in cells]


def parse_tables(text: str) -> list[Table]:
    """The tables of a document that :func:`format_tables` wrote."""
    tables: list[Table] = []
    title, waiting = "", [line for line in text.splitlines() if line.strip()]
    while waiting:
        line = waiting.pop(0)
        if not line.startswith("|"):
            title = line.lstrip("# ")
            continue
        header = _split(line)
        waiting.pop(0)  # the line that aligns the columns
        rows: list[list[str]] = []
        marks: dict[tuple[int, int], str] = {}
        while waiting and waiting[0].startswith("|"):
            cells = _split(waiting.pop(0))
            for column, cell in enumerate(cells):
                for mark, (before, after) in _MARKS.items():
                    if cell.startswith(before) and cell.endswith(after):
                        marks[len(rows), column] = mark
                        cells[column] = cell[len(before) : len(cell) - len(after)]
            rows.append(cells)
        tables.append(Table(header, rows, title, marks))
        title = ""
    return tables
