"""Grids: one entry of ``methods`` that stands for a method with each combination of some values.

A grid becomes one method a combination, its variants. It stays itself as what they extend, so that
its values come before any override for a dataset or protocol; in a list of methods its name stands
for all of its variants.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..plumbing.errors import UserError

_OWN_KEYS = ("title", "name", "extends", "grid")
_PLACE = "{}"  # of a value in a title or a name


class GridError(UserError):
    """A mistake in a grid: the path of its key, and what is wrong there."""

    def __init__(self, path: Sequence[str], text: str) -> None:
        super().__init__(f"{'.'.join(path)} {text}")
        self.path = list(path)
        self.text = text


class _Choice(NamedTuple):
    """One value of one key of a grid.

    label: the value as a title has it. told: the same with its key. settings: value by dotted key;
    several where the value is a map.
    """

    label: str
    told: str
    settings: dict[str, Any]


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, list):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return str(value)


def _word(text: str) -> str:
    """A text as part of a name, with p for the point of a number and m for its minus sign."""
    text = re.sub(r"-(?=\d)", "m", re.sub(r"(?<=\d)\.(?=\d)", "p", text))
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _flat(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {key: value}
    return {
        path: item
        for part, inner in value.items()
        for path, item in _flat(f"{key}.{part}", inner).items()
    }


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for path, value in settings.items():
        *parents, last = path.split(".")
        inner = result
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return result


def _choices(path: Sequence[str], values: Any) -> list[_Choice]:
    key = path[-1]
    if key.partition(".")[0] in _OWN_KEYS:
        raise GridError(path, "is no setting that a grid can vary")
    if not isinstance(values, list | Mapping) or not values:
        raise GridError(path, f"must be a list of values, at least one, not {values!r}")
    named = isinstance(values, Mapping)
    labelled = values.items() if isinstance(values, Mapping) else [(v, v) for v in values]
    choices = []
    for name, value in labelled:
        label = _text(name)
        maps = isinstance(value, Mapping) and not named
        told = label if maps else f"{key.rpartition('.')[2]} {label}"
        choices.append(_Choice(label, told, _flat(key, value)))
    return choices


def _filled(path: Sequence[str], template: str, labels: Sequence[str]) -> str:
    parts = template.split(_PLACE)
    if len(parts) != len(labels) + 1:
        raise GridError(path, f"needs {_PLACE} once for each key of the grid, not {template!r}")
    return "".join(map("".join, itertools.zip_longest(parts, labels, fillvalue="")))


def _own_title(methods: Mapping[str, Any], name: str) -> str:
    """The title of a method; of a grid without one, or with places in it, its parent's."""
    seen = set()
    while name in methods and name not in seen:
        title = methods[name].get("title", _PLACE)
        if _PLACE not in title:
            return str(title)
        seen.add(name)
        name = methods[name].get("extends")
    return name or ""


def _variants(methods: Mapping[str, Any], grid: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, title and settings of each variant of a grid, the last key varying fastest."""
    path, definition = ["methods", grid], methods[grid]
    keys = [_choices([*path, "grid", key], values) for key, values in definition["grid"].items()]
    variants = []
    for chosen in itertools.product(*keys):
        labels, told = [one.label for one in chosen], [one.told for one in chosen]
        name = "_".join([grid, *map(_word, told)])
        if "name" in definition:
            name = _filled([*path, "name"], definition["name"], list(map(_word, labels)))
        title = ", ".join([_own_title(methods, grid), *told])
        if _PLACE in definition.get("title", ""):
            title = _filled([*path, "title"], definition["title"], labels)
        for one, other in itertools.permutations([key for c in chosen for key in c.settings], 2):
            if f"{one}.".startswith(f"{other}."):
                raise GridError([*path, "grid"], f"sets {other} twice")
        settings = {key: value for one in chosen for key, value in one.settings.items()}
        variants.append((name, title, settings))
    return variants


def expand(config: Mapping[str, Any]) -> dict[str, Any]:
    """The merged configuration with each grid's variants in place of it.

    Its key ``grids`` holds of each grid its variants, and of each variant what it sets: values by
    dotted key. A mistake that only shows here is a GridError.
    """
    methods: dict[str, Any] = {}
    grids: dict[str, dict[str, dict[str, Any]]] = {}
    for name, definition in config["methods"].items():
        if "grid" not in definition:
            methods[name] = definition
            continue
        shared = {key: value for key, value in definition.items() if key not in ("grid", "name")}
        methods[name] = {**shared, "title": _own_title(config["methods"], name)}
        grids[name] = {}
        for variant, title, settings in _variants(config["methods"], name):
            if variant in methods or variant in config["methods"]:
                raise GridError(
                    ["methods", name, "grid"], f"makes {variant}, a method that is there already"
                )
            if not re.fullmatch("[a-z][a-z0-9_]*", variant):
                raise GridError(
                    ["methods", name, "name"],
                    f"makes {variant!r}; allowed are lower-case letters, digits and underscores",
                )
            methods[variant] = {"title": title, "extends": name, **_nested(settings)}
            grids[name][variant] = settings

    def spelled_out(names: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(one for name in names for one in grids.get(name, [name])))

    def shown(definition: Mapping[str, Any]) -> dict[str, Any]:
        """An exhibit with all lists of methods spelled out, and the word "selected" as it is."""
        result = dict(definition)
        if isinstance(definition.get("methods"), list):
            result["methods"] = spelled_out(definition["methods"])
        if under := definition.get("methods_under"):
            result["methods_under"] = {key: spelled_out(names) for key, names in under.items()}
        return result

    exhibits = {name: shown(definition) for name, definition in config["exhibits"].items()}
    select = {**config["select"], "methods": spelled_out(config["select"]["methods"])}
    return {**config, "methods": methods, "exhibits": exhibits, "select": select, "grids": grids}


def origin(grids: Mapping[str, Mapping[str, Any]], path: Sequence[Any]) -> list[Any]:
    """Where a key of a variant stands as it was written: under its grid; others stay."""
    for grid, variants in grids.items():
        if len(path) > 1 and path[0] == "methods" and path[1] in variants:
            dotted = ".".join(map(str, path[2:]))
            varied = any(
                f"{key}.".startswith(f"{dotted}.") or f"{dotted}.".startswith(f"{key}.")
                for key in variants[path[1]]
            )
            return ["methods", grid, *(["grid", dotted] if varied else path[2:])]
    return list(path)
