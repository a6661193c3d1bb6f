"""The command of a figure: its data first, then picture and caption from that data alone."""

import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from spml.exhibits.command import (
    given_phrase,
    module_of,
    parse_arguments,
    write_caption,
    write_data,
)
from spml.exhibits.fonts import use_fonts
from spml.exhibits.page import format_picture, write_page
from spml.exhibits.style import save_figure, style_context
from spml.plumbing.checksums import write_checksums


def figure_command(
    description: str | None,
    tabulate: Callable[[dict[str, Any]], pd.DataFrame],
    draw: Callable[[pd.DataFrame, dict[str, Any]], Figure],
    caption: Callable[[pd.DataFrame, dict[str, Any]], str],
) -> Callable[[], None]:
    """The ``main`` of a figure.

    It writes ``.csv``, ``.pdf``, ``.png``, ``.svg``, ``.html``, ``.caption.txt``, then checksums.
    """

    def main() -> None:
        settings, stem = parse_arguments(module_of(tabulate), description)
        frame = tabulate(settings)
        with style_context():
            figure = draw(frame, settings)
            boxes = use_fonts(figure)
            save_figure(figure, stem)
        if boxes:
            print(boxes, file=sys.stderr)
        write_data(frame, stem)
        text = f"{caption(frame, settings)}{given_phrase(settings)} {boxes}"
        title = settings["title"]
        write_page([format_picture(f"{stem}.png", f"{title}, figure")], title, text, stem)
        write_caption(text, stem)
        suffixes = (".csv", ".pdf", ".png", ".svg", ".html", ".caption.txt")
        write_checksums(*(f"{stem}{suffix}" for suffix in suffixes))

    return main
