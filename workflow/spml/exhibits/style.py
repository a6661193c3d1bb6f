"""The one look of all figures: for print as large as they are, for the colour-blind, and in grey.

A figure is as wide as one column of a paper or as both, and is printed at that size: no text in it
is smaller than ``SMALL``. Colours are those of Okabe and Ito (2008). No two series are told apart
by colour alone: lines also differ in dash and marker.

A figure is a PDF for papers, a PNG for everything else, and an SVG that turns dark where the page
that shows it is dark.

Text is as it stands, since titles and class names are the user's: only what asks for it
(``parse_math=True``) is read as a formula.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from spml.plumbing.files import atomic_path

COLUMN_WIDTH = 3.3  # inches, one of two columns
TEXT_WIDTH = 7.0  # inches, both columns
SMALL = 6.5  # points, the smallest text
FORMULA = 9.5  # points, of a label that is a symbol with an index, which is smaller by three tenths

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
GREY = "#767676"
LIGHT_GREY = "#C4C4C4"

# What the entries of a label matrix look like in every figure.
FALSE_NEGATIVE = VERMILLION
TRUE_NEGATIVE = BLUE
OBSERVED = SKY

# Colour and marker of the methods of a paper, by the key of its exhibits, and of all other methods.
OF_PAPERS = {"gr": (GREEN, "s"), "ll": (PURPLE, "^")}
OF_NO_PAPER = (GREY, "o")

# Colour, dash and marker of curves that one panel shows together.
SERIES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (VERMILLION, "--", "s"),
    (BLACK, "-.", "^"),
    (ORANGE, ":", "D"),
    (GREEN, (0, (5, 1, 1, 1, 1, 1)), "v"),
)

# What each colour becomes on a dark page; the paper is the page's own (workflow/report/style.css).
DARK_PAPER, DARK_INK = "#14181d", "#e4e8ec"
DARK = {
    "#ffffff": DARK_PAPER,
    BLACK: DARK_INK,
    ORANGE: "#f0b429",
    SKY: "#9ad4f5",
    BLUE: "#4ba3e3",
    VERMILLION: "#ff8c4a",
    GREEN: "#2fc79b",
    PURPLE: "#e59cc4",
    GREY: "#98a2ad",
    LIGHT_GREY: "#4c545e",
    "#dddddd": "#353c45",  # the grid
}

FONT = "DejaVu Sans"  # comes with matplotlib, so it looks alike everywhere
LETTER = 0.56  # em, of a letter of it in the mean
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

SETTINGS: Any = {
    "font.family": FONT,
    "text.parse_math": False,
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",  # here too
    "svg.hashsalt": "spml",  # the same names inside every time
    "savefig.dpi": 200,
}


def new_figure(
    rows: int, columns: int, *, width: float, height: float, **subplots: Any
) -> tuple[Figure, Any]:
    """A figure with a (rows, columns) array of axes; ``height`` is that of one row, in inches.

    To be called, drawn on and saved within :func:`style_context`.
    """
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def new_rows(
    counts: Sequence[int], *, columns: int, height: float, **subplots: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure in two columns with ``counts`` panels, whose rows begin anew for each count.

    columns: as many are side by side at most; height: of a row, in inches.
    """
    rows = -(-max(counts) // columns)
    columns = -(-max(counts) // rows)
    figure, grid = new_figure(
        rows * len(counts), columns, width=TEXT_WIDTH, height=height, **subplots
    )
    panels = [list(grid[place * rows : (place + 1) * rows].flat) for place in range(len(counts))]
    for count, own in zip(counts, panels, strict=True):
        for axes in own[count:]:
            axes.set_visible(False)
    return figure, [own[:count] for count, own in zip(counts, panels, strict=True)]


def new_panels(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` equal panels: one at column width, more in two columns."""
    columns = min(2, count)
    figure, grid = new_figure(
        -(-count // columns),
        columns,
        width=TEXT_WIDTH if columns > 1 else COLUMN_WIDTH,
        height=height,
    )
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def add_grid(axes: Axes, axis: Any = "y") -> None:
    """Faint lines to read values by."""
    axes.grid(visible=True, axis=axis)


def shorten(text: str, width: float, size: float) -> str:
    """A text that is about as wide as ``width`` inches in ``size`` points: the rest is cut off.

    Titles are the user's, and one that is wider than what it stands at leaves no room for that.
    """
    letters = int(width * 72 / (size * LETTER))
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"


def set_title(axes: Axes, title: str, share: float = 0.9, **options: Any) -> None:
    """The title of one of equal panels, no wider than a ``share`` of it."""
    figure: Any = axes.get_figure(root=True)
    grid = axes.get_gridspec()
    width = figure.get_figwidth() / (grid.ncols if grid else 1)
    axes.set_title(shorten(title, share * width, SETTINGS["axes.titlesize"]), **options)


def is_first(axes: Axes) -> bool:
    """Whether a panel is the first of its row."""
    place = axes.get_subplotspec()
    return place is not None and place.is_first_col()


def name_rows(axes: Axes, places: Any, titles: Sequence[str], bold: Any = ()) -> None:
    """Titles of rows, in half of a column at most; those at ``bold`` places stand out."""
    shown = [shorten(title, COLUMN_WIDTH / 2, SETTINGS["ytick.labelsize"]) for title in titles]
    axes.set_yticks(places, shown)
    for place in bold:
        axes.get_yticklabels()[place].set_fontweight("bold")


def name_axes(figure: Figure, across: str, upwards: str = "") -> None:
    """One label for the axes of all panels."""
    figure.supxlabel(across, fontsize=SETTINGS["axes.labelsize"])
    if upwards:
        figure.supylabel(upwards, fontsize=SETTINGS["axes.labelsize"])


def add_legend(axes: Axes, loc: Any = "best") -> None:
    """A legend in a panel, whose texts are no wider than half of it."""
    handles, labels = axes.get_legend_handles_labels()
    size = SETTINGS["legend.fontsize"]
    axes.legend(handles, [shorten(label, COLUMN_WIDTH * 0.6, size) for label in labels], loc=loc)


def legend_outside(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], *, place: str = "upper center"
) -> None:
    """A legend above or below all panels, in as many columns as the figure has room for."""
    size, width = SETTINGS["legend.fontsize"], figure.get_figwidth()
    em = size / 72
    line = (SETTINGS["legend.handlelength"] + 2.8) * em  # with the space around an entry
    shown = [shorten(label, width - line, size) for label in labels]
    widest = max(map(len, shown)) * LETTER * em + line
    rows = -(-len(shown) // max(1, int(width / widest)))
    outside: Any = f"outside {place}"
    figure.legend(handles, shown, loc=outside, ncols=-(-len(shown) // rows))


class PowersOfTen(LogFormatterSciNotation):
    """Ticks of a logarithmic axis as text, 10⁻², where matplotlib writes formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The tick at ``x``; empty where there is no room for it."""
        formula = super().__call__(x, pos).replace(r"\times", " × ")
        text = formula.removeprefix(r"$\mathdefault{").removesuffix("}$")
        return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(SUPERSCRIPTS), text)


def draw_points(axes: Axes, x: Any, points: pd.DataFrame, position: int, label: str) -> None:
    """A curve through the ``mean`` of each point, with bars from ``low`` to ``high``.

    position: place of the curve among those of the panel, which decides how it looks.
    """
    colour, dash, marker = SERIES[position % len(SERIES)]
    axes.plot(x, points["mean"], color=colour, linestyle=dash, marker=marker, label=label)
    axes.vlines(x, points["low"], points["high"], color=colour, linewidth=0.8)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem``.pdf, .png and .svg; the same figure gives the same bytes.

    Where everything stands is decided once for all of them, which takes as long as to draw one.
    """
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)  # "none" would have each format draw it twice
    for suffix, metadata in (
        (".pdf", {"CreationDate": None}),
        (".png", {"Software": None}),
        (".svg", {"Date": None, "Creator": None}),
    ):
        with atomic_path(f"{stem}{suffix}") as temporary:
            figure.savefig(temporary, metadata=metadata)
            if suffix == ".svg":
                text = temporary.read_text(encoding="utf-8")
                temporary.write_text(follow_page(text), encoding="utf-8")


def follow_page(svg: str) -> str:
    """An SVG of matplotlib's that turns dark with its page, in a font that has a substitute.

    Its own colours stay as they are, for programs that know nothing of dark pages. Places are
    rounded to a hundredth of a point, which none of them shows.
    """
    rules = [f"svg{{fill:{DARK_INK}}}"]  # matplotlib leaves black out where SVG has it anyway
    for light, dark in DARK.items():
        for name in ("fill", "stroke"):
            rules.append(f'[style*="{name}: {light.lower()}"]{{{name}:{dark}!important}}')
    style = f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"
    svg = re.sub(
        r' (d|x|y|points)="[^"]*"',
        lambda found: re.sub(r"\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", found[0]),
        svg,
    )
    svg = svg.replace(f"'{FONT}'", f"'{FONT}', Verdana, sans-serif")
    return svg.replace("<defs>", f"{style}\n <defs>", 1)


def style_context() -> Any:
    """Settings in force while a figure is drawn and saved, and back to what they were after it."""
    return matplotlib.rc_context(SETTINGS)
