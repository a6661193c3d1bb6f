"""Tables as LaTeX, for a paper in one column or two."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import compress, groupby
from math import ceil

from spml.exhibits.markdown import BEST, SECOND, Formulas, Table
from spml.exhibits.tables import MINUS, NOTHING
from spml.exhibits.widths import COLUMN, GAP, Layout, layouts, text_width

LINES_PER_PAGE = 40
LOOSE = 1.25  # lines of words are not full

_LETTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    MINUS: "$-$",
    NOTHING: r"\textendash{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{INFINITY}": r"$\infty$",
    "λ": r"$\lambda$",  # which Unicode calls lamda
    "Δ": r"$\Delta$",
    **{
        letter: f"$\\{unicodedata.name(letter).rpartition(' ')[2].lower()}$"
        for letter in "αβγδεζηθικμνξπρστφχψω"
    },
}
# What pdfLaTeX can set beyond the letters of European languages.
TYPESET = {*_LETTERS, *"‘’‚“”„†‡•…‰‹›€™—"}

_MARKS = {BEST: r"\textbf{%s}", SECOND: r"\underline{%s}"}


def escape(text: str) -> str:
    """Text for LaTeX, wholly escaped; only what is among formulas may have one, which stays."""
    parts = [text]
    if isinstance(text, Formulas):
        # A line may be broken between two formulas, and not within one.
        parts = re.split(r"(\$[^$]+\$)", text.replace(r",\ ", "$, $"))
    whole = "".join(part if position % 2 else _escape(part) for position, part in enumerate(parts))
    # At the beginning of a line these would be an option of the end of the line before it.
    return f"{{}}{whole}" if whole.startswith(("[", "*")) else whole


def _escape(text: str) -> str:
    letters = unicodedata.normalize("NFC", text)
    escaped = "".join(_LETTERS.get(letter, letter) for letter in letters)
    # Two hyphens are no dash here, two quotes no other one.
    return re.sub(r"([-,'`?!])(?=[-,'`])", r"\1{}", escaped)


def _beyond_pdflatex(text: str) -> list[str]:
    """Letters that pdfLaTeX has no fonts for, each once."""
    letters = dict.fromkeys(unicodedata.normalize("NFC", text))
    return [letter for letter in letters if letter > "\u017f" and letter not in TYPESET]


def _column(layout: Layout, place: int) -> str:
    """One column: as wide as its cells, or lines of its width; sentences share what is left."""
    kind, width = layout.kinds[place], layout.widths[place]
    if not layout.broken[place]:
        return "l" if kind else "r"
    ragged = rf">{{\ragged{'right' if kind else 'left'}\arraybackslash}}"
    if not layout.sharing[place]:
        return rf"{ragged}p{{{width:.1f}em}}"
    shared = sum(compress(layout.widths, layout.sharing))
    rest = rf"\dimexpr\linewidth-{layout.total - shared:.1f}em\relax"
    # A share that is rounded up would make the table wider than the text.
    return rf"{ragged}p{{{width / shared - 0.0005:.3f}{rest}}}"


def _columns(layout: Layout) -> str:
    """Names and words to the left, numbers to the right, without space at either end."""
    return f"@{{}}{''.join(_column(layout, place) for place in range(len(layout.columns)))}@{{}}"


def _lines(layout: Layout, row: Sequence[str]) -> int:
    """How many lines a row takes, at most."""
    return max(
        ceil(LOOSE * text_width(row[place]) / width) if broken else 1
        for place, (width, broken) in enumerate(zip(layout.widths, layout.broken, strict=True))
    )


def _part(table: Table, layout: Layout, rows: range) -> Table:
    """Some rows and columns of a table."""
    columns = layout.columns
    return Table(
        [table.header[column] for column in columns],
        [[table.rows[row][column] for column in columns] for row in rows],
        table.title,
        {
            (row - rows.start, columns.index(column)): mark
            for (row, column), mark in table.marks.items()
            if row in rows and column in columns
        },
    )


def _cut(table: Table, layout: Layout) -> list[Table]:
    """A table in parts that fit on a page each."""
    parts, start, used = [], 0, 0
    for number, row in enumerate(table.rows):
        needed = _lines(layout, [row[column] for column in layout.columns])
        if number > start and used + needed > LINES_PER_PAGE:
            parts.append(_part(table, layout, range(start, number)))
            start, used = number, 0
        used += needed
    return [*parts, _part(table, layout, range(start, len(table.rows)))]


def _pages(tables: Sequence[Table]) -> list[tuple[Layout, list[Table]]]:
    """The tables in groups that fit on a page each, with how their columns are set.

    Tables of other columns share no page, since a page is one ``tabular``.
    """
    pages: list[tuple[Layout, list[Table]]] = []
    used = 0
    for header, run in groupby(tables, key=lambda table: tuple(table.header)):
        together = list(run)
        for layout in layouts([table for table in tables if tuple(table.header) == header]):
            for part in (part for table in together for part in _cut(table, layout)):
                needed = sum(_lines(layout, row) for row in part.rows)
                if not pages or pages[-1][0] != layout or used + needed > LINES_PER_PAGE:
                    pages.append((layout, []))
                    used = 0
                pages[-1][1].append(part)
                used += needed
    return pages


def _title(title: str, layout: Layout) -> str:
    """A line across all columns, in lines of their width where it is wider than they are."""
    if any(layout.sharing):
        column = r"p{\linewidth}"
    elif text_width(title) > layout.total:
        column = rf"p{{{layout.total:.1f}em}}"
    else:
        column = "l"
    text = rf"\textit{{{escape(title)}}}"
    if column != "l":
        text = rf"\raggedright {text}"
    return rf"\multicolumn{{{len(layout.columns)}}}{{@{{}}{column}@{{}}}}{{{text}}} \\"


def _float(layout: Layout, tables: Sequence[Table], heading: Sequence[str]) -> list[str]:
    """The lines of one LaTeX ``table``, or of a ``table*`` where it is wider than a column."""
    name = "table" if layout.total <= COLUMN else "table*"
    lines = [
        rf"\begin{{{name}}}",
        r"  \centering",
        *heading,
        rf"  \footnotesize\setlength{{\tabcolsep}}{{{GAP / 2}em}}",
        rf"  \begin{{tabular}}{{{_columns(layout)}}}",
        r"    \toprule",
        rf"    {' & '.join(escape(cell) for cell in tables[0].header)} \\",
    ]
    for table in tables:
        lines.append(r"    \midrule")
        if table.title:
            lines.append(f"    {_title(table.title, layout)}")
        for row, cells in enumerate(table.rows):
            marked = [
                _MARKS.get(table.marks.get((row, column), ""), "%s").replace("%s", escape(cell))
                for column, cell in enumerate(cells)
            ]
            lines.append(rf"    {' & '.join(marked)} \\")
    return [*lines, r"    \bottomrule", r"  \end{tabular}", rf"\end{{{name}}}"]


def format_latex(tables: Sequence[Table], caption: str, label: str) -> str:
    """LaTeX ``table``s with booktabs rules, one a page; tables with a title become blocks.

    Text is set in 8 points, and nothing is made smaller to fit: what is wider than a column of the
    page is a ``table*``, in which words are set in lines, and what has too many columns is cut.
    """
    (layout, first), *others = _pages(tables)
    label = f"tab:{label}"
    heading = [rf"  \caption{{{escape(caption)}}}", rf"  \label{{{label}}}"]
    lines = [r"% needs \usepackage{array,booktabs}"]
    texts = [caption, *(table.title for table in tables)]
    texts += [cell for table in tables for row in (table.header, *table.rows) for cell in row]
    if foreign := _beyond_pdflatex("".join(texts)):
        lines.append(f"% and XeLaTeX or LuaLaTeX with a font that has {' '.join(foreign)}")
    lines += _float(layout, first, heading)
    for layout, page in others:
        again = [rf"  \caption{{Table~\ref{{{label}}}, continued.}}"]
        lines += ["", *_float(layout, page, again)]
    return "\n".join(lines) + "\n"
