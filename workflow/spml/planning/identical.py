"""Runs with the same settings under two names, of which one is trained and the other a copy."""

from collections.abc import Mapping
from typing import Any

from .configuration import compact_json, is_given, observe_settings, resolve_method, run_settings


def _trained_with(config: Mapping[str, Any], dataset: str, protocol: str, method: str) -> str:
    """All that a run is made from but its seed."""
    settings = run_settings(config, dataset, protocol, method, seed=0)
    return compact_json(
        {
            **settings,
            "method": resolve_method(config, method, dataset, protocol).get("prior_from"),
            "observation": observe_settings(config, protocol, settings["observation"]),
        }
    )


def trained_as(config: Mapping[str, Any], dataset: str, protocol: str, method: str) -> str:
    """The method whose run a method takes over; itself where it is trained under its own name.

    That is the farthest of the methods that it extends, one by one, with the same settings. Which
    methods are selected plays no part, so that no selection makes a run anew.
    """
    if is_given(config, method):
        return method
    own = _trained_with(config, dataset, protocol, method)
    found = method
    while (parent := config["methods"][found].get("extends")) is not None:
        if _trained_with(config, dataset, protocol, parent) != own:
            break
        found = parent
    return found
