"""How texts and numbers read on a page."""

import re
import textwrap
from collections.abc import Iterable
from statistics import mean, stdev

import latex2mathml.converter
import markupsafe

from spml.exhibits.markdown import Formulas
from spml.exhibits.tables import format_mean
from spml.report.formulas import SPACE


def sort_key(text: str) -> str:
    """What a cell is sorted by: its first number in plain digits, else its text in lower case."""
    number = re.match(r"[^\w]*?([-+\N{MINUS SIGN}]?\d[\d,]*\.?\d*)", text)
    if number is None:
        return text.lower()
    return number[1].replace("\N{MINUS SIGN}", "-").replace(",", "").replace("+", "")


def with_formulas(text: str) -> markupsafe.Markup:
    """A text of a table: the LaTeX formulas in it as MathML, everything else escaped."""
    parts = re.split(r"\$([^$]+)\$", text) if isinstance(text, Formulas) else [text]
    return markupsafe.Markup("").join(
        _formula(part) if position % 2 else part for position, part in enumerate(parts)
    )


def _formula(latex: str) -> markupsafe.Markup:
    """MathML; a number or a letter with an index as ordinary text, which every reader can read."""
    symbol = re.fullmatch(r"([A-Za-z])(?:_(\w))?", latex)
    if symbol:
        index = f"<sub>{symbol[2]}</sub>" if symbol[2] else ""
        return markupsafe.Markup(f"<i>{symbol[1]}</i>{index}")  # noqa: S704 - letters alone
    if latex.isdecimal():
        return markupsafe.Markup(latex)  # noqa: S704 - digits alone
    # What stands in \text{} is not escaped there, so that no tag may come so far.
    formula = latex2mathml.converter.convert(latex.replace("<", r"\lt ").replace(">", r"\gt "))
    # TeX sets a thin space between the name of a function and a letter; MathML has to be told.
    letter, function = r"m(?:i|n|sub|sup)>", "<mi>[a-z]{2,}</mi>"
    for before, after in ((function, f"<{letter}"), (f"</{letter}", function)):
        formula = re.sub(f"({before})(?={after})", rf"\1{SPACE}", formula)
    return markupsafe.Markup(formula)  # noqa: S704 - no tag is in it but MathML's


def with_code(text: str) -> markupsafe.Markup:
    """Text with what stands between backticks as code, everything else escaped."""
    parts = re.split(r"(?<!`)`{1,2}([^`]+)`{1,2}(?!`)", text)
    return markupsafe.Markup("").join(
        markupsafe.Markup("<code>{}</code>").format(part) if position % 2 else part
        for position, part in enumerate(parts)
    )


def paragraphs(text: str) -> list[tuple[str, str]]:
    """The paragraphs of a docstring, each ``prose``, or ``lines`` where its line breaks count."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip("\n")) if block.strip()]
    return [
        ("prose", " ".join(block.split()))
        # A column of names and meanings, or a formula, is indented or has wide gaps.
        if not re.search(r"^ |\S {2,}\S", block, re.MULTILINE)
        else ("lines", textwrap.dedent(block).rstrip())
        for block in blocks
    ]


def format_duration(seconds: float) -> str:
    """Seconds as ``12.3 s``, ``4 min 05 s`` or ``3 h 07 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min"


def format_sample(values: Iterable[float]) -> str:
    """Mean ± sample standard deviation; the value alone where there is one."""
    values = list(values)
    return format_mean(mean(values), stdev(values) if len(values) > 1 else None)
