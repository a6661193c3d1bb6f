"""Tables for people: numbers as text, marks for best and second, Markdown and LaTeX."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from spml.exhibits.markdown import BEST, SECOND, Formulas, Table, format_tables
from spml.plumbing.files import write_text

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

_LATEX = {
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
TYPESET = {*_LATEX, *"‘’‚“”„†‡•…‰‹›€™—"}
ROWS_PER_PAGE = 40
PROSE = 40  # letters: a column with a longer cell is set in lines of text

_LATEX_MARKS = {BEST: r"\textbf{%s}", SECOND: r"\underline{%s}"}


def format_number(value: float, decimals: int = 1, *, sign: bool = False) -> str:
    """``value`` with a true minus sign and, with ``sign``, a plus before what is not negative."""
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    if float(text) == 0:
        text = text.replace("-", "+" if sign else "")
    return text.replace("-", MINUS)


def format_mean(mean: float, deviation: float | None, decimals: int = 1) -> str:
    """``mean ± deviation``, or the mean alone where one value has no deviation."""
    if deviation is None:
        return format_number(mean, decimals)
    return f"{format_number(mean, decimals)} ± {format_number(deviation, decimals)}"


def format_interval(low: float, high: float, decimals: int = 1, *, sign: bool = True) -> str:
    """``low to high``, by default of a difference: with signs."""
    return " to ".join(format_number(end, decimals, sign=sign) for end in (low, high))


def format_p(p: float, *, at_most: bool = False) -> str:
    """A p with three decimals: ``≤`` before a bound, and ``< 0.001`` for what would print as 0."""
    text = f"{p:.3f}"
    if at_most:
        return f"≤ {text}"
    return "< 0.001" if float(text) == 0 else text


def rank_marks(values: Sequence[float | None], decimals: int = 1) -> dict[int, str]:
    """Positions of the highest and the second highest value; None takes no part.

    Values that print alike are equal, so a mark never parts two cells that a reader cannot.
    """
    printed = {
        position: round(value, decimals)
        for position, value in enumerate(values)
        if value is not None
    }
    places = dict(zip(sorted(set(printed.values()), reverse=True), (BEST, SECOND), strict=False))
    return {position: places[value] for position, value in printed.items() if value in places}


def _latex(text: str) -> str:
    """Text for LaTeX, wholly escaped; only what is among formulas may have one, which stays."""
    parts = re.split(r"(\$[^$]+\$)", text) if isinstance(text, Formulas) else [text]
    whole = "".join(part if position % 2 else _escape(part) for position, part in enumerate(parts))
    # At the beginning of a line these would be an option of the end of the line before it.
    return f"{{}}{whole}" if whole.startswith(("[", "*")) else whole


def _escape(text: str) -> str:
    letters = unicodedata.normalize("NFC", text)
    escaped = "".join(_LATEX.get(letter, letter) for letter in letters)
    # Two hyphens are no dash here, two quotes no other one.
    return re.sub(r"([-,'`?!])(?=[-,'`])", r"\1{}", escaped)


def _beyond_pdflatex(text: str) -> list[str]:
    """Letters that pdfLaTeX has no fonts for, each once."""
    letters = dict.fromkeys(unicodedata.normalize("NFC", text))
    return [letter for letter in letters if letter > "\u017f" and letter not in TYPESET]


def _columns(tables: Sequence[Table]) -> str:
    """Alignment: names to the left, numbers to the right, sentences in lines of text."""
    result = "l"
    for column in range(1, len(tables[0].header)):
        cells = [row[column] for table in tables for row in table.rows]
        prose = any(len(cell) > PROSE and not isinstance(cell, Formulas) for cell in cells)
        result += r">{\raggedright\arraybackslash}p{16em}" if prose else "r"
    return result


def _pages(tables: Sequence[Table]) -> list[list[Table]]:
    """The tables in groups that fit on a page each; a table that is too long is cut.

    Tables of other columns share no page, since a page is one ``tabular``.
    """
    pages: list[list[Table]] = [[]]
    for table in tables:
        for start in range(0, len(table.rows) or 1, ROWS_PER_PAGE):
            rows = table.rows[start : start + ROWS_PER_PAGE]
            full = sum(len(other.rows) for other in pages[-1]) + len(rows) > ROWS_PER_PAGE
            if full or (pages[-1] and list(pages[-1][0].header) != list(table.header)):
                pages.append([])
            marks = {
                (row - start, column): mark
                for (row, column), mark in table.marks.items()
                if start <= row < start + len(rows)
            }
            pages[-1].append(Table(table.header, rows, table.title, marks))
    return [page for page in pages if page]


def _float(tables: Sequence[Table], heading: Sequence[str], columns: str) -> list[str]:
    """The lines of one LaTeX ``table``; what is wider than the text is made as wide as it."""
    lines = [
        r"\begin{table}",
        r"  \centering",
        *heading,
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        rf"    {' & '.join(_latex(cell) for cell in tables[0].header)} \\",
    ]
    for table in tables:
        lines.append(r"    \midrule")
        if table.title:
            lines.append(
                rf"    \multicolumn{{{len(table.header)}}}{{l}}"
                rf"{{\textit{{{_latex(table.title)}}}}} \\"
            )
        for row, cells in enumerate(table.rows):
            marked = [
                _LATEX_MARKS.get(table.marks.get((row, column), ""), "%s").replace(
                    "%s", _latex(cell)
                )
                for column, cell in enumerate(cells)
            ]
            lines.append(rf"    {' & '.join(marked)} \\")
    return [*lines, r"    \bottomrule", r"  \end{tabular}}", r"\end{table}"]


def format_latex(tables: Sequence[Table], caption: str, label: str) -> str:
    """LaTeX ``table``s with booktabs rules, one a page; tables with a title become blocks."""
    first, *others = _pages(tables)
    label = f"tab:{label}"
    heading = [rf"  \caption{{{_latex(caption)}}}", rf"  \label{{{label}}}"]
    lines = [r"% needs \usepackage{array,booktabs,graphicx}"]
    texts = [caption, *(table.title for table in tables)]
    texts += [cell for table in tables for row in (table.header, *table.rows) for cell in row]
    if foreign := _beyond_pdflatex("".join(texts)):
        lines.append(f"% and XeLaTeX or LuaLaTeX with a font that has {' '.join(foreign)}")

    def columns(page: Sequence[Table]) -> str:
        return _columns([table for table in tables if list(table.header) == list(page[0].header)])

    lines += _float(first, heading, columns(first))
    for page in others:
        again = [rf"  \caption{{Table~\ref{{{label}}}, continued.}}"]
        lines += ["", *_float(page, again, columns(page))]
    return "\n".join(lines) + "\n"


def write_tables(tables: Sequence[Table], caption: str, stem: Path) -> None:
    """Write ``stem``.md and ``stem``.tex."""
    label = f"{stem.parent.name}_{stem.name}"
    write_text(f"{stem}.md", format_tables(tables))
    write_text(f"{stem}.tex", format_latex(tables, caption, label))
