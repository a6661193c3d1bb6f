"""How wide the columns of a printed table are, and how many of them stand side by side.

Widths are in em of the font that the table is set in, and at most a little too large: those of
Computer Modern, which is wider than the fonts of most journals.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from spml.exhibits.markdown import Formulas, Table, column_kinds

# At 8 points, the size of a table's text, of which 1 em is 8.5 points.
COLUMN = 26.5  # em, a column of an article in two columns (229 points)
TEXT = 40.0  # em, the text of an article in one column (345 points), the narrowest of those in use
GAP = 1.0  # em between two columns
BOLD = 1.16  # the best cell of a column is bold
NARROWEST_TEXT = 7.0  # em: words are not set in narrower lines, unless they are shorter

_LETTERS = (
    ("ijl.,:;'|!", 0.31),
    ("frst()[]I-/ ", 0.4),
    ("0123456789acegoz", 0.51),
    ("EFJLPSZ", 0.69),
    ("ABCDGHKNOQRTUVXYΔ", 0.79),
    ("mwMW%@&~±×→≈≤≥∞+−=<>–—", 0.92),
)
_WIDTHS = {letter: width for letters, width in _LETTERS for letter in letters}
_OTHER = 0.57  # em of all other letters
_RELATION = 1.4  # em, a relation or an operation with the space around it
# In formulas: what takes no room, and what takes that of a letter, a word or a relation.
_SILENT = re.compile(r"\\(left|right|math\w+|[dt]?frac)\b|[{}^_$]")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_WORDS = {"log", "exp", "max", "min"}
_RELATIONS = {"geq", "leq", "to", "approx", "times", "in"}


class Layout(NamedTuple):
    """Some columns of a table that stand side by side.

    columns: their places in the table. widths: of each column, in em. kinds: as of
    :func:`~spml.exhibits.markdown.column_kinds`. broken: which are set in lines of their width.
    """

    columns: tuple[int, ...]
    widths: tuple[float, ...]
    kinds: tuple[str, ...]
    broken: tuple[bool, ...]

    @property
    def total(self) -> float:
        """The width of all with what is between them."""
        return sum(self.widths) + GAP * (len(self.columns) - 1)

    @property
    def sharing(self) -> tuple[bool, ...]:
        """Which columns share what the others leave of the text: sentences that are broken."""
        return tuple(
            broken and kind == "prose" for broken, kind in zip(self.broken, self.kinds, strict=True)
        )


def text_width(text: str) -> float:
    """The width of a text on one line."""
    if isinstance(text, Formulas):
        parts = re.split(r"(\$[^$]+\$)", text)
        return sum(
            _formula_width(part) if place % 2 else text_width(part)
            for place, part in enumerate(parts)
        )
    return sum(_WIDTHS.get(letter, _OTHER) for letter in text)


def _formula_width(formula: str) -> float:
    """As if nothing were above, below or smaller than anything else."""
    width = 0.0

    def command(match: re.Match[str]) -> str:
        nonlocal width
        if match[1] in _WORDS:
            return match[1]
        width += _RELATION if match[1] in _RELATIONS else _WIDTHS["A"]
        return ""

    rest = _COMMAND.sub(command, _SILENT.sub("", formula))
    return width + sum(
        _RELATION if letter in "+-=<>" else _WIDTHS.get(letter, _OTHER) for letter in rest
    )


def pieces(text: str) -> list[str]:
    """What a line is not broken within: words, and formulas up to a comma and a space."""
    if isinstance(text, Formulas):
        parts = re.split(r"(\$[^$]+\$)", text.replace(r",\ ", "$, $"))
        return [
            Formulas(piece) if place % 2 else piece
            for place, part in enumerate(parts)
            for piece in ([part] if place % 2 else part.split())
        ]
    return text.split()


def _longest_piece(text: str) -> float:
    return max(map(text_width, pieces(text)), default=0.0)


def _column_widths(tables: Sequence[Table], kinds: Sequence[str]) -> list[tuple[float, float]]:
    """Of each column, the width of its widest cell, and the least that it can be set in.

    A number stays on one line, and so does a name in the first column unless it is long.
    """
    widths = []
    for column, kind in enumerate(kinds):
        header = tables[0].header[column]
        cells = [
            (row[column], BOLD if (place, column) in table.marks else 1.0)
            for table in tables
            for place, row in enumerate(table.rows)
        ]
        widest = max((bold * text_width(cell) for cell, bold in cells), default=0.0)
        natural = max(text_width(header), widest)
        if kind:
            piece = max((bold * _longest_piece(cell) for cell, bold in cells), default=0.0)
            least = max(_longest_piece(header), piece, min(natural, NARROWEST_TEXT))
        else:
            least = max(_longest_piece(header), widest)
        widths.append((natural, least))
    return widths


def _shrink(widths: Sequence[tuple[float, float]], limit: float) -> list[float]:
    """Widths from the natural ones on, made narrower until all fit, or are the least.

    What has more to say stays wider, though not in proportion.
    """
    shrunk = [natural for natural, _ in widths]
    while sum(shrunk) > limit:
        able = [place for place, (_, least) in enumerate(widths) if shrunk[place] > least]
        if not able:
            break
        place = max(able, key=lambda each: shrunk[each] ** 2 / widths[each][0])
        shrunk[place] = max(widths[place][1], shrunk[place] - 0.25)
    return shrunk


def _grouped(least: Sequence[float], limit: float) -> list[list[int]]:
    """Columns in groups that fit side by side at their least; the first one stands in each."""
    groups: list[list[int]] = [[0]]
    for column in range(1, len(least)):
        wanted = [*groups[-1], column]
        if len(groups[-1]) > 1 and sum(least[each] + GAP for each in wanted) - GAP > limit:
            wanted = [0, column]
            groups.append(wanted)
        groups[-1] = wanted
    return groups


def _groups(least: Sequence[float]) -> list[list[int]]:
    """As few groups as fit, and of those that are as few the ones of most even width."""
    groups, limit = _grouped(least, TEXT), TEXT
    while limit > 0 and len(closer := _grouped(least, limit)) == len(groups):
        groups, limit = closer, limit - 1
    return groups


def layouts(tables: Sequence[Table]) -> list[Layout]:
    """How tables with one header are set: one layout, or several where columns are too many.

    What fits a column of the page as it stands is left so; anything else fits the text.
    """
    whole = Table(tables[0].header, [row for table in tables for row in table.rows])
    first, *others = column_kinds(whole)
    kinds = [first or "text", *others]
    widths = _column_widths(tables, kinds)
    narrow = [(natural, natural if kind else least)
              for (natural, least), kind in zip(widths, kinds, strict=True)]  # fmt: skip
    if sum(least + GAP for _, least in narrow) - GAP <= COLUMN:
        widths, limit = narrow, COLUMN
    else:
        limit = TEXT
    found = []
    for group in _groups([least for _, least in widths]):
        own = [widths[column] for column in group]
        shrunk = _shrink(own, limit - GAP * (len(group) - 1))
        found.append(
            Layout(
                columns=tuple(group),
                widths=tuple(shrunk),
                kinds=tuple(kinds[column] for column in group),
                broken=tuple(
                    width < natural for width, (natural, _) in zip(shrunk, own, strict=True)
                ),
            )
        )
    return found
