"""Tables for people: numbers as text, marks for best and second, Markdown and LaTeX."""

import re
from collections.abc import Sequence
from pathlib import Path

from spml.files import write_text
from spml.markdown import BEST, SECOND, Table, format_tables

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
    NOTHING: "--",
}
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
    """Text for LaTeX; formulas between dollar signs stay as they are."""
    parts = re.split(r"(\$[^$]+\$)", text)
    return "".join(
        part if position % 2 else "".join(_LATEX.get(character, character) for character in part)
        for position, part in enumerate(parts)
    )


def format_latex(tables: Sequence[Table], caption: str, label: str) -> str:
    """One LaTeX ``table`` with booktabs rules; tables with a title become its blocks."""
    columns = len(tables[0].header)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(caption)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * (columns - 1)}}}",
        r"    \toprule",
        rf"    {' & '.join(_latex(cell) for cell in tables[0].header)} \\",
    ]
    for table in tables:
        lines.append(r"    \midrule")
        if table.title:
            lines.append(
                rf"    \multicolumn{{{columns}}}{{l}}{{\textit{{{_latex(table.title)}}}}} \\"
            )
        for row, cells in enumerate(table.rows):
            marked = [
                _LATEX_MARKS.get(table.marks.get((row, column), ""), "%s").replace(
                    "%s", _latex(cell)
                )
                for column, cell in enumerate(cells)
            ]
            lines.append(rf"    {' & '.join(marked)} \\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def write_tables(tables: Sequence[Table], caption: str, stem: Path) -> None:
    """Write ``stem``.md and ``stem``.tex."""
    label = f"{stem.parent.name}_{stem.name}"
    write_text(f"{stem}.md", format_tables(tables))
    write_text(f"{stem}.tex", format_latex(tables, caption, label))
