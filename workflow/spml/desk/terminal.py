"""Tables and formulas as a terminal shows them."""

import itertools
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence

from spml.exhibits.markdown import BEST, SECOND, Table

# What a terminal does to text: bold, underlined, and back to normal.
_ESCAPES = {BEST: "\x1b[1m", SECOND: "\x1b[4m"}
_NORMAL = "\x1b[0m"
_GAP = 2  # spaces between columns
_NARROWEST = 12  # letters: no column is made narrower to fit a terminal

_SYMBOLS = {
    "geq": "≥", "leq": "≤", "infty": "∞", "cdot": "·", "pm": "±", "to": "→", "varepsilon": "ε",
    "lambda": "λ", "left": "", "right": "", "mathbf": "", "mathrm": "", "text": "",
}  # fmt: skip


def terminal_width() -> int:
    """Letters a line of the terminal; 100 where the output goes elsewhere."""
    return shutil.get_terminal_size((100, 24)).columns


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {name}")
    except KeyError:
        return f" {name} "  # a function, such as log


def _grouped(text: str) -> str:
    return text if re.fullmatch(r"\w(_[\w+-])?|\d+", text) else f"({text})"


def _plain_formula(latex: str) -> str:
    text = re.sub(r"\\[ ,;]", " ", latex)
    text = re.sub(r"\\(?!frac)([A-Za-z]+)", _command, text)
    before = None
    while before != text:  # from the innermost braces outwards
        before = text
        text = re.sub(r"([\^_])\{([^{}]*)\}", lambda m: m[1] + _grouped(m[2].strip()), text)
        text = re.sub(
            r"\\frac\{([^{}]*)\}\{([^{}]*)\}",
            lambda m: f"{_grouped(m[1].strip())}/{_grouped(m[2].strip())}",
            text,
        )
        text = re.sub(r"(?<![\^_}])\{([^{}]*)\}(?!\{)", r"\1", text)
    text = re.sub(r" +", " ", text)
    return re.sub(r"(?<=[(\[=≥≤-]) (?=\w)|(?<=[a-z]) (?=\()|^ | $", "", text)


def without_formulas(text: str) -> str:
    """``text`` with the LaTeX formulas between its dollar signs in plain letters."""
    return re.sub(r"\$([^$]+)\$", lambda match: _plain_formula(match[1]), text)


def _fit(widths: list[int], limit: int) -> list[int]:
    """The widths of columns, the widest made narrower until all fit into ``limit`` letters."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > limit and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def align(table: Table, *, width: int, colour: bool = False) -> str:
    """Columns of equal width, the first to the left and the others to the right.

    width: letters a line; cells of what is wider are broken into lines. colour: mark the best and
    the second with what terminals show as bold and underlined.
    """
    lines: list[Sequence[str]] = [
        [without_formulas(cell) for cell in line] for line in (table.header, *table.rows)
    ]
    natural = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    widths = _fit(natural, width)
    text = [f"{table.title}\n"] if table.title else []
    for number, line in enumerate(lines):
        cells = [textwrap.wrap(cell, size) for cell, size in zip(line, widths, strict=True)]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            shown = []
            for column, (part, size) in enumerate(zip(parts, widths, strict=True)):
                padding = " " * (size - len(part))
                mark = table.marks.get((number - 1, column), "") if colour and part else ""
                marked = f"{_ESCAPES[mark]}{part}{_NORMAL}" if mark else part
                shown.append(marked + padding if column == 0 else padding + marked)
            text.append((" " * _GAP).join(shown).rstrip() + "\n")
        if number == 0:
            text.append((" " * _GAP).join("-" * size for size in widths) + "\n")
    return "".join(text)
