"""Numbers as text, as all tables and figures print them, and the marks of the best."""

from collections.abc import Sequence

from spml.exhibits.markdown import BEST, SECOND

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def format_number(value: float, decimals: int = 1, *, sign: bool = False) -> str:
    """``value`` with a true minus sign and, with ``sign``, a plus before what is not negative."""
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    if float(text) == 0:
        text = text.replace("-", "+" if sign else "")
    return text.replace("-", MINUS)


def format_mean(mean: float, deviation: float | None, decimals: int = 1) -> str:
    """``mean ± deviation``, or the mean alone where one value has no deviation."""
    if deviation is None:
        return format_number(mean, decimals)
    return f"{format_number(mean, decimals)} ± {format_number(deviation, decimals)}"


def format_interval(low: float, high: float, decimals: int = 1, *, sign: bool = True) -> str:
    """``low to high``, by default of a difference: with signs.

    An end that is below zero has its minus even where it rounds to zero, since the interval is read
    for whether it holds zero.
    """
    ends = [format_number(end, decimals, sign=sign) for end in (low, high)]
    if sign:
        ends = [
            f"{MINUS}{text[1:]}" if end < 0 else text
            for end, text in zip((low, high), ends, strict=True)
        ]
    return " to ".join(ends)


def format_p(p: float, *, at_most: bool = False) -> str:
    """A p with three decimals: ``≤`` before a bound, and ``< 0.001`` for what would print as 0."""
    text = f"{p:.3f}"
    if at_most:
        return f"≤ {text}"
    return "< 0.001" if float(text) == 0 else text


def rank_marks(values: Sequence[float | None], decimals: int = 1) -> dict[int, str]:
    """Positions of the highest and the second highest value; None takes no part.

    Values that print alike are equal, so a mark never parts two cells that a reader cannot.
    """
    printed = {
        position: round(value, decimals)
        for position, value in enumerate(values)
        if value is not None
    }
    places = dict(zip(sorted(set(printed.values()), reverse=True), (BEST, SECOND), strict=False))
    return {position: places[value] for position, value in printed.items() if value in places}
