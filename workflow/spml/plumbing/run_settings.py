"""The settings of many runs in a short form, and what a run has recorded compared with them.

A page is of one configuration. Where Snakemake was told to overlook changed settings, the runs that
it shows were made with others, and new settings would stand beside old numbers.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import UserError

ADDRESS = ("dataset", "protocol", "method", "seed")
# Records of version 1.0.0 do not have it; runs computed with as many threads as jobs had.
RECORDED_LATER = ("training.threads",)

Address = tuple[str, str, str]
Values = dict[str, Any]


def _values(settings: Mapping[str, Any], prefix: str = "") -> Values:
    """Each value by its key, with dots between maps: ``training.epochs``.

    A list is one value, and None is none, like a key that is not there.
    """
    values: Values = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            values |= _values(value, f"{prefix}{key}.")
        elif value is not None and (prefix or key not in ADDRESS):
            values[prefix + key] = value
    return values


def _shared(runs: Sequence[Values]) -> Values:
    """What all of them have alike."""
    first, *others = runs
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def _without(values: Values, *others: Values) -> Values:
    """What none of the others has."""
    return {key: value for key, value in values.items() if not any(key in o for o in others)}


def shorten(runs: Mapping[Address, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings of runs, by dataset, protocol and method, without saying anything many times.

    What all runs share, those under a dataset and protocol, those of a method, and what is left.
    """
    values = {address: _values(settings) for address, settings in runs.items()}
    everywhere = _shared(list(values.values())) if values else {}
    at: dict[str, list[Values]] = {}
    of: dict[str, dict[str, Values]] = {}
    for (dataset, protocol, method), own in values.items():
        at.setdefault(f"{dataset}/{protocol}", []).append(own)
        of.setdefault(method, {})[f"{dataset}/{protocol}"] = own
    places = {place: _without(_shared(group), everywhere) for place, group in at.items()}
    methods: dict[str, Values] = {}
    rest: dict[str, Values] = {}
    for method, runs_of in of.items():
        # What all places of a method say alike, it need not say again.
        told = _shared([everywhere | places[place] for place in runs_of])
        methods[method] = _without(_shared(list(runs_of.values())), told)
        for place, own in runs_of.items():
            if different := _without(own, everywhere, places[place], methods[method]):
                rest[f"{place}/{method}"] = different
    return {"everywhere": everywhere, "places": places, "methods": methods, "rest": rest}


def restore(short: Mapping[str, Any], dataset: str, protocol: str, method: str) -> Values:
    """Each setting of one run, of what :func:`shorten` gave, as :func:`_values` names it."""
    place = f"{dataset}/{protocol}"
    return {
        **short["everywhere"],
        **short["places"][place],
        **short["methods"][method],
        **short["rest"].get(f"{place}/{method}", {}),
    }


def _in_words(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def check_record(
    record: Mapping[str, Any], short: Mapping[str, Any], folder: Path, address: Address
) -> None:
    """Raise UserError where a run was made with other settings than those of the configuration.

    record: the run's ``run.json``. folder: where it lies.
    """
    recorded, configured = _values(record["settings"]), restore(short, *address)
    for key in sorted(recorded | configured):
        if key in RECORDED_LATER and key not in recorded:
            continue
        ours, theirs = recorded.get(key), configured.get(key)
        if ours != theirs:
            raise UserError(
                f"{folder} was made with {key} = {_in_words(ours)}, but the configuration says "
                f"{_in_words(theirs)}: set it back to show this run, or make it anew with "
                "snakemake --workflow-profile workflow/profiles/default, which notices changed "
                f"settings; where that plans nothing, delete {folder} first"
            )
