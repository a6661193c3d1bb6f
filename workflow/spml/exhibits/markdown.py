"""Tables as Markdown: written by exhibits, read back by the report and the terminal.

A document is a row of tables. Where there are several, a heading goes before each. ``**`` marks the
best cell of a column and ``<ins>`` the second. Words stand to the left of a column, numbers to the
right. A text that is no formula has a backslash before what would make it one, a mark, or another
cell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

BEST, SECOND = "best", "second"
PROSE = 40  # letters: a column with a longer cell is set in lines of text
_MARKS = {BEST: ("**", "**"), SECOND: ("<ins>", "</ins>")}


class Formulas(str):
    """A text with LaTeX formulas between dollar signs. In any other text such a sign is itself."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """Texts in rows and columns, plain ones or :class:`Formulas`.

    marks: what is ``best`` or ``second``, by (row, column). The first column names the row.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    marks: dict[tuple[int, int], str] = field(default_factory=dict)


def column_kinds(table: Table) -> list[str]:
    """How each column is set: ``prose`` in lines, ``text`` to the left, numbers (empty) else."""
    kinds = []
    for cells in zip(*table.rows, strict=True):
        filled = [cell for cell in cells if re.search(r"\w", cell)]
        numbers = sum(bool(re.match(r"\W*\d", cell)) for cell in filled)
        plain = [cell for cell in cells if not isinstance(cell, Formulas)]
        if any(len(cell) > PROSE for cell in plain):
            kinds.append("prose")
        else:
            words = 2 * numbers < len(filled) or len(plain) < len(cells)
            kinds.append("text" if words else "")
    return kinds or [""] * len(table.header)


_SPECIAL = r"([\\|$*`]|<(?=/?ins>))"


def _escape(cell: str) -> str:
    if isinstance(cell, Formulas):
        return cell.replace("|", r"\|")
    return re.sub(_SPECIAL, r"\\\1", cell)


def _read(cell: str) -> str:
    """The text of a cell: plain where none of its dollar signs opens a formula."""
    if re.search(r"(?<!\\)(\\\\)*\$", cell):
        return Formulas(cell.replace(r"\|", "|"))
    return re.sub(rf"\\{_SPECIAL}", r"\1", cell)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def format_tables(tables: Sequence[Table]) -> str:
    """The document that :func:`parse_tables` reads."""
    parts = []
    for table in tables:
        lines = [f"### {_escape(table.title)}", ""] if table.title else []
        lines.append(_line([_escape(cell) for cell in table.header]))
        kinds = ["text", *column_kinds(table)[1:]]
        lines.append(_line([":--" if kind else "--:" for kind in kinds]))
        for row, cells in enumerate(table.rows):
            marked = []
            for column, cell in enumerate(cells):
                before, after = _MARKS.get(table.marks.get((row, column), ""), ("", ""))
                marked.append(f"{before}{_escape(cell)}{after}")
            lines.append(_line(marked))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _split(line: str) -> list[str]:
    """The cells of a line, as they stand in it."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def parse_tables(text: str) -> list[Table]:
    """The tables of a document that :func:`format_tables` wrote."""
    tables: list[Table] = []
    title, waiting = "", [line for line in text.splitlines() if line.strip()]
    while waiting:
        line = waiting.pop(0)
        if not line.startswith("|"):
            title = _read(line.removeprefix("### "))
            continue
        header = [_read(cell) for cell in _split(line)]
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
            rows.append([_read(cell) for cell in cells])
        tables.append(Table(header, rows, title, marks))
        title = ""
    return tables
