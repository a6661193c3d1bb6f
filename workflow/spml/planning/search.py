"""The search for hyperparameters: which variants compete for which method, and where."""

from collections.abc import Mapping
from typing import Any

from .configuration import Run, compact_json, method_title, observe_settings, run_settings
from .files import update
from .shown import selected_pairs

_SEARCHED = ("hyperparameters", "training")  # what may differ by dataset and protocol


def _values(config: Mapping[str, Any], grid: str, variant: str) -> dict[str, Any] | None:
    """What a variant changes of the method that its grid extends; None where that is more."""
    changed: dict[str, Any] = {}
    for definition in (config["methods"][grid], config["methods"][variant]):
        own = {key: definition[key] for key in definition if key not in ("title", "extends")}
        if not set(own) <= set(_SEARCHED):
            return None
        update(changed, own)
    return changed


def searched_variants(config: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each method that a selected grid extends the variants, and what each of them changes.

    Variants of several grids of one method compete with each other. A grid that changes more than
    hyperparameters and training is no search.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for grid, variants in config["grids"].items():
        for variant in variants:
            values = _values(config, grid, variant)
            if variant in config["select"]["methods"] and values is not None:
                found.setdefault(config["methods"][grid]["extends"], {})[variant] = values
    return found


def searched_runs(config: Mapping[str, Any]) -> list[Run]:
    """The runs of all variants that compete."""
    searched = searched_variants(config)
    return [
        Run(dataset, protocol, variant, seed)
        for dataset, protocol in selected_pairs(config)
        for variants in searched.values()
        for variant in variants
        for seed in config["select"]["seeds"]
    ]


def _apart_from_selection(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str
) -> tuple[str, str]:
    """What a method's runs are made of, as text, and by which labels they select their epoch."""
    settings = run_settings(config, dataset, protocol, method, 0)
    selection = settings["training"].pop("selection")
    settings |= observe_settings(config, protocol, settings["observation"])
    return compact_json({**settings, "protocol": None}), selection


def search_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``python -m spml.choose --settings`` takes.

    Of each search ``selection`` is by which labels is chosen, and ``alike`` the first selected
    protocol that differs from its own in nothing but that.
    """
    searched = searched_variants(config)
    searches = []
    first: dict[str, str] = {}
    for dataset, protocol in selected_pairs(config):
        for method in searched:
            rest, selection = _apart_from_selection(config, dataset, protocol, method)
            searches.append(
                {
                    "dataset": dataset,
                    "protocol": protocol,
                    "method": method,
                    "selection": selection,
                    "alike": first.setdefault(rest, protocol),
                }
            )
    return {
        "seeds": config["select"]["seeds"],
        "searches": searches,
        "variants": {
            method: [
                {
                    "name": name,
                    "title": method_title(config, name),
                    "values": values,
                }
                for name, values in variants.items()
            ]
            for method, variants in searched.items()
        },
        "titles": {method: method_title(config, method) for method in searched},
    }
