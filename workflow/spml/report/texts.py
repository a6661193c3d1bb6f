"""How texts and numbers read on a page."""

import re
import textwrap
from collections.abc import Iterable
from statistics import mean, stdev

import markupsafe

from spml.exhibits.tables import format_mean


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
