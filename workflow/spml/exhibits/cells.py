"""How the cells of a table read on a page: their order, and formulas in them."""

import re

import markupsafe

from spml.exhibits.markdown import Formulas

SPACE = '<mspace width="0.17em"/>'  # thin, as TeX sets it beside the name of a function


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
    # Here, since it reads a table of symbols, for which most exhibits have no use.
    from latex2mathml.converter import convert

    # What stands in \text{} is not escaped there, so that no tag may come so far.
    formula = convert(latex.replace("<", r"\lt ").replace(">", r"\gt "))
    # TeX sets a thin space between the name of a function and a letter; MathML has to be told.
    letter, function = r"m(?:i|n|sub|sup)>", "<mi>[a-z]{2,}</mi>"
    for before, after in ((function, f"<{letter}"), (f"</{letter}", function)):
        formula = re.sub(f"({before})(?={after})", rf"\1{SPACE}", formula)
    return markupsafe.Markup(formula)  # noqa: S704 - no tag is in it but MathML's
