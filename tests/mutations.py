"""Configuration files with one mistake each, drawn from a seed."""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

VALUES = (
    *(None, True, -1, 0, 0.5, 10**30, float("nan"), "", "text", "a b", "$(touch pwned)"),
    *("'; touch pwned; '", "../../out", "two\nlines", [], {}, [1, "a"], {"x": 1}, [[]]),
)
SYNTAX = (
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "\t",
    "\x00",
    ": :",
    "- -",
    "&a *b",
    "!!x ",
    "%",
    "@",
    "\n ",
)
KINDS = ("drop", "type", "swap", "insert", "syntax")


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with each of its keys or indices."""
    keys = (
        list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    )
    for key in keys:
        yield node, key
        yield from _places(node[key])


def mutate(path: Path, draw: random.Random) -> tuple[str, str]:
    """What kind of mistake was made in a file, and its text with it."""
    text = path.read_text(encoding="utf-8")
    kind = draw.choice(KINDS)
    if kind == "syntax":
        position = draw.randrange(len(text))
        return kind, text[:position] + draw.choice(SYNTAX) + text[position:]
    document = yaml.load(_without_aliases(text), Loader=yaml.CSafeLoader)
    places = list(_places(document))
    container, key = draw.choice(places)
    if kind == "drop":
        del container[key]
    elif kind == "type":
        container[key] = draw.choice(VALUES)
    elif kind == "swap":
        other, place = draw.choice(places)
        container[key], other[place] = other[place], container[key]
    else:
        maps = [document, *(node[k] for node, k in places if isinstance(node[k], dict))]
        draw.choice(maps)[draw.choice(("unknown", "Titel", 7, "$(touch pwned)", "a/b"))] = (
            draw.choice(VALUES)
        )
    try:
        return kind, yaml.dump(document, Dumper=_Plain, sort_keys=False)
    except RecursionError:  # a map that was swapped with one of its own
        return mutate(path, draw)


@cache
def _without_aliases(text: str) -> str:
    """The same document, in which one change is one change."""
    return yaml.dump(yaml.load(text, Loader=yaml.CSafeLoader), Dumper=_Plain, sort_keys=False)


class _Plain(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
