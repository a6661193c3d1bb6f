"""The command of a table: its data first, then what people read, from that data alone."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from spml.exhibits.command import (
    given_phrase,
    module_of,
    parse_arguments,
    write_caption,
    write_data,
)
from spml.exhibits.latex import format_latex
from spml.exhibits.markdown import Table, format_tables
from spml.exhibits.page import format_table, write_page
from spml.plumbing.checksums import write_checksums
from spml.plumbing.files import write_text


def table_command(
    description: str | None,
    tabulate: Callable[[dict[str, Any]], pd.DataFrame],
    layout: Callable[[pd.DataFrame, dict[str, Any]], Sequence[Table]],
    caption: Callable[[pd.DataFrame, dict[str, Any]], str],
) -> Callable[[], None]:
    """The ``main`` that writes data, tables, a page and caption, then their checksums."""

    def main() -> None:
        settings, stem = parse_arguments(module_of(tabulate), description)
        frame = tabulate(settings)
        text = caption(frame, settings) + given_phrase(settings)
        write_data(frame, stem)
        tables = layout(frame, settings)
        write_text(f"{stem}.md", format_tables(tables))
        write_text(f"{stem}.tex", format_latex(tables, text, f"{stem.parent.name}_{stem.name}"))
        write_page([format_table(table) for table in tables], settings["title"], text, stem)
        write_caption(text, stem)
        suffixes = (".csv", ".md", ".tex", ".html", ".caption.txt")
        write_checksums(*(f"{stem}{suffix}" for suffix in suffixes))

    return main
