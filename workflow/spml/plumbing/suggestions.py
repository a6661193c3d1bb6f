"""What somebody may have meant by a name that does not exist."""

import difflib
from collections.abc import Iterable


def suggestion(name: object, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` of the nearest known name; empty where none is close.

    It goes before a list of all names, which may be long.
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
