"""The index that the search box reads: one line a page, an exhibit and a method."""

import json
from collections.abc import Iterable
from typing import NamedTuple


class Entry(NamedTuple):
    """kind: what the reader finds there. address: relative to the site. text: further words."""

    kind: str
    title: str
    address: str
    text: str


def index_script(entries: Iterable[Entry]) -> str:
    """The entries as a script; a page read from a disk may load one, but no JSON."""
    rows = ",\n".join(json.dumps(entry._asdict(), ensure_ascii=False) for entry in entries)
    return f"window.searchIndex = [\n{rows}\n];\n"
