"""The merged configuration, resolved into runs, methods and settings of training.

Imports nothing that imports torch or numpy, since planning imports it. What it is given has been
checked (:mod:`spml.planning.checks`).
"""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..plumbing.run_settings import shorten

GIVEN_MARK = "\N{DAGGER}"
# What is done to the images of a dataset that comes as features.
NO_IMAGES = {"mean": [0], "deviation": [1], "flip": False}


class Run(NamedTuple):
    """The address of one training run."""

    dataset: str
    protocol: str
    method: str
    seed: int


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``change``; maps are merged, everything else is replaced."""
    result = dict(base)
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _merge(dict(result[key]), value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def resolve_method(
    config: Mapping[str, Any], name: str, dataset: str | None, protocol: str | None = None
) -> dict[str, Any]:
    """A method with what it extends filled in and the overrides of ``dataset`` and ``protocol``.

    An override in a parent comes before what the child itself says, since the child knows the
    parent whole. A protocol's override comes after a dataset's, and may have datasets of its own.
    """
    method = config["methods"][name]
    parent = method.get("extends")
    resolved = (
        resolve_method(config, parent, dataset, protocol)
        if parent is not None
        else {"head": "linear", "hyperparameters": {}, "training": {}}
    )
    for part in (method, method.get("protocols", {}).get(protocol, {})):
        own = {k: v for k, v in part.items() if k not in ("extends", "datasets", "protocols")}
        resolved = _merge(resolved, own)
        resolved = _merge(resolved, part.get("datasets", {}).get(dataset, {}))
    return resolved


def observation_of(config: Mapping[str, Any], protocol: str, method: str) -> str:
    """The name of the observation that a method trains on under a protocol."""
    resolved = resolve_method(config, method, None, protocol)
    return resolved.get("observation", config["protocols"][protocol]["observation"])


def observe_settings(config: Mapping[str, Any], protocol: str, observation: str) -> dict[str, Any]:
    """Arguments of :func:`spml.observe.observe`."""
    definition = config["protocols"][protocol]
    return {
        **config["observations"][observation],
        "validation_fraction": definition["validation_fraction"],
        "split_seed": definition["split_seed"],
    }


def training_settings(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str
) -> dict[str, Any]:
    """Everything about training that is not the loss: protocol, with its dataset, then method."""
    definition = config["protocols"][protocol]
    settings = _merge(definition["training"], definition.get("datasets", {}).get(dataset, {}))
    settings = _merge(settings, resolve_method(config, method, dataset, protocol)["training"])
    return {**settings, "device": config["device"], "threads": config["threads"]}


def run_settings(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str, seed: int
) -> dict[str, Any]:
    """The settings of one run, as ``python -m spml.train --settings`` takes them."""
    resolved = resolve_method(config, method, dataset, protocol)
    definition = config["datasets"][dataset]
    if is_given(config, method):
        return _given_settings(config, resolved, Run(dataset, protocol, method, seed))
    return {
        "dataset": dataset,
        "protocol": protocol,
        "method": method,
        "seed": seed,
        "loss": resolved["loss"],
        "hyperparameters": resolved["hyperparameters"],
        "observation": observation_of(config, protocol, method),
        "architecture": definition.get("backbone", {}).get("architecture"),
        "head": resolved["head"],
        "images": definition.get("images", NO_IMAGES),
        "training": training_settings(config, dataset, protocol, method),
    }


def is_given(config: Mapping[str, Any], method: str) -> bool:
    """Whether a method's scores come from elsewhere, so that nothing of it is trained here.

    It, or one that it extends, has ``scores``. Checks ask before they know that what it extends is
    there.
    """
    chain: list[str] = []
    name = method
    while name in config["methods"] and name not in chain:
        if "scores" in config["methods"][name]:
            return True
        chain.append(name)
        name = config["methods"][name].get("extends", "")
    return False


def method_title(config: Mapping[str, Any], method: str) -> str:
    """The name of a method in tables and figures, marked where it is not trained here."""
    title: str = resolve_method(config, method, None)["title"]
    return f"{title} {GIVEN_MARK}" if is_given(config, method) else title


def scores_path(config: Mapping[str, Any], run: Run) -> str:
    """The file of the scores of a run that was made elsewhere."""
    pattern: str = resolve_method(config, run.method, run.dataset, run.protocol)["scores"]
    return pattern.format(dataset=run.dataset, protocol=run.protocol, seed=run.seed)


def _given_settings(
    config: Mapping[str, Any], resolved: Mapping[str, Any], run: Run
) -> dict[str, Any]:
    """The settings of a run that was made elsewhere, as ``python -m spml.take_scores`` has them."""
    return {
        **run._asdict(),
        "loss": None,
        "hyperparameters": {},
        "observation": observation_of(config, run.protocol, run.method),
        "scores": {"logits": resolved.get("logits", False)},
    }


def made_with(config: Mapping[str, Any], runs: Iterable[Run]) -> dict[str, Any]:
    """The settings that these runs have, in the short form of :mod:`spml.plumbing.run_settings`.

    What shows settings compares them with those that the runs were made with.
    """
    addresses = dict.fromkeys((run.dataset, run.protocol, run.method) for run in runs)
    return shorten({address: run_settings(config, *address, 0) for address in addresses})


def job_need(config: Mapping[str, Any], dataset: str, job: str, resource: str, usual: int) -> int:
    """What a dataset says its jobs of one kind need; what is usual where it says nothing."""
    return config["datasets"][dataset].get("jobs", {}).get(job, {}).get(resource, usual)


def compact_json(value: Any) -> str:
    """One line of JSON with sorted keys, for a parameter that Snakemake compares as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
