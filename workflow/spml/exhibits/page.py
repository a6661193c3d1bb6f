"""An exhibit as one page that stands alone: its title, tables or picture, and its caption.

Snakemake's own report shows it.
"""

import base64
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from spml.exhibits.cells import with_formulas
from spml.exhibits.markdown import BEST, SECOND, Table, column_kinds
from spml.plumbing.files import write_text

_STYLE = Markup("""
body { margin: 1.5rem; background: #fff; color: #1b1f24; font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; }
table { margin: 0 0 1.5rem; border-collapse: collapse; font-size: 0.9rem; }
tbody { border-bottom: 1px solid #59636e; }
caption { padding: 0.3rem 0; font-weight: 600; text-align: left; }
th, td { padding: 0.15rem 0.7rem; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { border-block: 1px solid #59636e; white-space: normal; vertical-align: bottom; }
th:first-child, .text, .prose { text-align: left; }
tbody th { font-weight: 400; }
.prose { min-width: 12rem; white-space: normal; }
img { max-width: 100%; }
p { max-width: 46rem; }
""")
_MARKS = {BEST: Markup("<strong>{}</strong>"), SECOND: Markup("<u>{}</u>"), "": Markup("{}")}
_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{content}
<p>{caption}</p>
</body>
</html>
""")


def format_table(table: Table) -> Markup:
    """A table as HTML: what is best in bold, second best underlined, formulas as MathML."""
    kinds = column_kinds(table)

    def line(cells: Sequence[str], row: int | None) -> Markup:
        parts = [Markup("<tr>")]
        for column, (cell, kind) in enumerate(zip(cells, kinds, strict=True)):
            heads = row is None or column == 0
            scope = "col" if row is None else "row"
            tag = Markup('th scope="{}"').format(scope) if heads else Markup("td")
            marked = _MARKS["" if row is None else table.marks.get((row, column), "")]
            parts.append(
                Markup("<{}{}>{}</{}>").format(
                    tag,
                    Markup(' class="{}"').format(kind) if kind else "",
                    marked.format(with_formulas(cell)),
                    "th" if heads else "td",
                )
            )
        return Markup("").join([*parts, Markup("</tr>\n")])

    title = Markup("<caption>{}</caption>\n").format(table.title) if table.title else ""
    body = Markup("").join(line(cells, row) for row, cells in enumerate(table.rows))
    return Markup("<table>\n{}<thead>\n{}</thead>\n<tbody>\n{}</tbody>\n</table>\n").format(
        title, line(table.header, None), body
    )


def format_picture(path: Path | str, alternative: str) -> Markup:
    """A PNG, with its bytes in the page; ``alternative`` is read to who does not see it."""
    data = base64.b64encode(Path(path).read_bytes()).decode("ascii")
    return Markup('<img src="data:image/png;base64,{}" alt="{}">\n').format(data, alternative)


def write_page(content: Sequence[Markup], title: str, caption: str, stem: Path) -> None:
    """Write ``stem``.html."""
    page = _PAGE.format(
        title=title,
        style=_STYLE,
        content=Markup("").join(content),
        caption=" ".join(caption.split()),
    )
    write_text(f"{stem}.html", page)
