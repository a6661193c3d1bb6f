"""Tables as a terminal shows them."""

import shutil

from tabulate import tabulate

from spml.exhibits.markdown import BEST, SECOND, Table, column_kinds

# What a terminal does to text: bold, underlined, and back to normal.
_ESCAPES = {BEST: "\x1b[1m", SECOND: "\x1b[4m"}
_NORMAL = "\x1b[0m"
_GAP = 2  # spaces between columns
_NARROWEST = 12  # letters: no column is made narrower to fit a terminal


def terminal_width() -> int:
    """Letters a line of the terminal; 100 where the output goes elsewhere."""
    return shutil.get_terminal_size((100, 24)).columns


def _fit(widths: list[int], limit: int) -> list[int]:
    """The widths of columns, the widest made narrower until all fit into ``limit`` letters."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > limit and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def align(table: Table, *, width: int, colour: bool = False) -> str:
    """Columns of equal width, names and words to the left and numbers to the right.

    width: letters a line; cells of what is wider are broken into lines. colour: mark the best and
    the second with what terminals show as bold and underlined.
    """
    # tabulate leaves two letters more below a header.
    columns = zip((f"{name}  " for name in table.header), *table.rows, strict=True)
    widths = _fit([max(map(len, column)) for column in columns], width)
    rows = [
        [
            f"{_ESCAPES[mark]}{cell}{_NORMAL}"
            if colour and cell and (mark := table.marks.get((number, column), ""))
            else cell
            for column, cell in enumerate(row)
        ]
        for number, row in enumerate(table.rows)
    ]
    text = tabulate(
        rows,
        table.header,
        tablefmt="simple",
        colalign=["left", *("left" if kind else "right" for kind in column_kinds(table)[1:])],
        maxcolwidths=widths,
        maxheadercolwidths=widths,
        disable_numparse=True,
    )
    return "".join(f"{line}\n" for line in (*([table.title, ""] if table.title else []), text))
