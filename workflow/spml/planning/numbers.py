"""Numbers that reached the configuration as text.

Snakemake's reader of YAML takes a number for text where it has an exponent but no point, or an
exponent without a sign (1e-5, 1.0e3). Of what --config nests, Snakemake takes everything for text.
"""

import math
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import jsonschema

NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
WORDS = {"true": ("boolean", True), "false": ("boolean", False), "null": ("null", None)}


def _meant(text: str, wanted: Collection[str]) -> Any:
    """The number, truth value or null that a text stands for where one is wanted, or the text."""
    kind, value = WORDS.get(text.lower(), ("", None))
    if kind in wanted:
        return value
    if not {"number", "integer"} & set(wanted) or not NUMBER.fullmatch(text):
        return text
    if text.lstrip("+-").isdecimal():
        return int(text)
    number = float(text)
    if "number" in wanted:
        return number if math.isfinite(number) else text
    return int(number) if number.is_integer() else text


def _wrong_types(
    errors: Iterable[jsonschema.ValidationError],
) -> Iterator[jsonschema.ValidationError]:
    """Values of a wrong type among schema violations, and among the alternatives of each."""
    for error in errors:
        if error.validator == "type":
            yield error
        yield from _wrong_types(error.context)


def read_numbers(config: dict[str, Any], errors: Iterable[jsonschema.ValidationError]) -> bool:
    """Put the number in place of its text wherever the schemas ask for a number.

    The same for true, false and null. What stands for none of them stays as it is.

    errors: where ``config`` violates the schemas. Returns whether anything was changed.
    """
    changed = False
    for error in _wrong_types(errors):
        if not isinstance(error.instance, str):
            continue
        kinds: Any = error.validator_value
        *parents, last = error.absolute_path
        holder: Any = config
        for key in parents:
            holder = holder[key]
        text = holder[last]
        if isinstance(text, str):  # and no number yet, by another alternative
            holder[last] = _meant(text, [kinds] if isinstance(kinds, str) else kinds)
            changed |= holder[last] is not text
    return changed


def read_grid_numbers(config: dict[str, Any]) -> None:
    """The same for the values of grids, where no schema says what is wanted.

    config: one that violates no schema.
    """

    def read(value: Any) -> Any:
        if isinstance(value, str):
            return _meant(value, ("number",))
        if isinstance(value, list):
            return [read(item) for item in value]
        if isinstance(value, dict):
            return {key: read(item) for key, item in value.items()}
        return value

    for method in config["methods"].values():
        if "grid" in method:
            method["grid"] = read(method["grid"])
