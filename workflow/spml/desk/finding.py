"""What an examination of a checkout finds, and numbers with the unit that reads best."""

from typing import NamedTuple

OK, NOTE, FAIL = "ok", "note", "FAIL"


class Finding(NamedTuple):
    """One line: ``ok``, ``note``, or ``FAIL`` for what would make a run fail."""

    level: str
    text: str


def format_bytes(size: float) -> str:
    """Megabytes, gigabytes or terabytes, whichever reads best."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size / 1e6:.1f} MB"


def format_time(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:,.0f} h"
