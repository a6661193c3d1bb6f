"""What exhibits, the stages before them and the report are given as ``--settings``."""

from collections.abc import Iterable, Mapping
from typing import Any

from .configuration import (
    Run,
    is_given,
    method_title,
    observation_of,
    resolve_method,
    training_settings,
)
from .shown import (
    compared_pairs,
    drawn_on,
    exhibit_left_out,
    exhibit_methods,
    exhibit_pairs,
    exhibit_seeds,
    reported_runs,
    shown_exhibits,
)


def comparison_settings(
    config: Mapping[str, Any], exhibit: str, dataset: str, protocol: str
) -> dict[str, Any]:
    """What ``python -m spml.compare --settings`` takes."""
    definition = config["exhibits"][exhibit]
    methods = exhibit_methods(config, exhibit, protocol)
    return {
        "dataset": dataset,
        "protocol": protocol,
        "methods": [method for method in methods if method != definition["reference"]],
        "seeds": exhibit_seeds(config, exhibit),
        "reference": definition["reference"],
        "resamples": definition["resamples"],
    }


def _described(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str
) -> dict[str, Any]:
    """A method's loss as ``python -m spml.describe`` builds it."""
    resolved = resolve_method(config, method, dataset, protocol)
    training = training_settings(config, dataset, protocol, method)
    return {
        "name": method,
        "title": resolved["title"],
        "loss": resolved["loss"],
        "hyperparameters": resolved["hyperparameters"],
        "total_epochs": training["epochs"],
    }


def describe_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Whose gradients are computed, as ``python -m spml.describe --settings`` takes them.

    curves: those of the gradient figure, with hyperparameters and number of epochs of the first
    dataset and protocol that it shows. methods: those that the report has a page of, as they are
    trained in the first of their runs; one whose loss is given what another run found is left out.
    """
    first: dict[str, Run] = {}
    for run in reported_runs(config):
        if not is_given(config, run.method):
            first.setdefault(run.method, run)
    return {
        "curves": [
            _described(config, dataset, protocol, method)
            for dataset, protocol in exhibit_pairs(config, "gr_gradients")[:1]
            for method in config["exhibits"]["gr_gradients"]["losses"]
        ],
        "methods": [
            _described(config, run.dataset, run.protocol, method)
            for method, run in first.items()
            if "prior_from" not in resolve_method(config, method, run.dataset, run.protocol)
        ],
    }


def _drawn_settings(config: Mapping[str, Any], exhibit: str) -> dict[str, Any]:
    """What an exhibit that is made from others needs to know of them."""
    others = drawn_on(config, exhibit)
    methods = {method for other in others for method in exhibit_methods(config, other)}
    return {
        "exhibits": [
            {
                "key": other,
                "title": config["exhibits"][other]["title"],
                "comparisons": compared_pairs(config, other),
                "seeds": exhibit_seeds(config, other),
            }
            for other in others
        ],
        "titles": {name: method_title(config, name) for name in methods},
        "dataset_titles": {name: item["title"] for name, item in config["datasets"].items()},
        "protocol_titles": {name: item["title"] for name, item in config["protocols"].items()},
    }


def _entries_settings(config: Mapping[str, Any], exhibit: str) -> dict[str, Any]:
    """What a leaderboard needs to know of the methods that it describes, and of our networks."""
    definition = config["exhibits"][exhibit]
    only = definition.get("published_only", {})
    return {
        "entries": {
            name: {
                **entry,
                "title": only[name]["title"] if name in only else method_title(config, name),
            }
            for name, entry in definition["entries"].items()
        },
        "networks": {
            dataset: config["datasets"][dataset].get("backbone", {}).get("architecture", "")
            for dataset, _ in exhibit_pairs(config, exhibit)
        },
    }


def _given_titles(
    config: Mapping[str, Any], exhibit: str, methods: Iterable[str]
) -> dict[str, list[str]]:
    """Titles of methods that are not trained here: of ``given`` those shown, and ``left_out``."""
    found = {
        "given": [name for name in dict.fromkeys(methods) if is_given(config, name)],
        "left_out": exhibit_left_out(config, exhibit),
    }
    return {
        key: [method_title(config, name) for name in names] for key, names in found.items() if names
    }


def _shown_labels(config: Mapping[str, Any], observation: str) -> dict[str, Any]:
    """What an observation shows, without the seed that it is drawn with."""
    definition = config["observations"][observation]
    keys = ("positives", "negatives", "known", "bias", "given")
    return {key: definition[key] for key in keys if key in definition}


def exhibit_settings(config: Mapping[str, Any], exhibit: str) -> dict[str, Any]:
    """What an exhibit shows, as ``python -m spml.exhibits.<exhibit> --settings`` takes it.

    A block is one dataset under one protocol. ``observations`` names the observation of those
    methods that do not train on the protocol's own, ``known_shares`` the share of known labels
    of those that have one, ``methods`` those that are shown there, where it is not all of them.
    """
    definition = config["exhibits"][exhibit]
    methods = exhibit_methods(config, exhibit)
    paper, _, name = exhibit.partition("_")
    described = _entries_settings(config, exhibit) if "entries" in definition else {}
    drawn = _drawn_settings(config, exhibit) if "exhibits" in definition else {}
    hidden = ("methods", "methods_under", "losses", "datasets", "protocols")
    blocks = []
    for dataset, protocol in exhibit_pairs(config, exhibit):
        observation = config["protocols"][protocol]["observation"]
        here = exhibit_methods(config, exhibit, protocol)
        others = {
            method: observation_of(config, protocol, method)
            for method in (*here, *drawn.get("titles", ()))
        }
        shares = {
            name: config["observations"][name]["known"]
            for name in dict.fromkeys(others.values())
            if "known" in config["observations"][name]
        }
        blocks.append(
            {
                "dataset": dataset,
                "dataset_title": config["datasets"][dataset]["title"],
                "protocol": protocol,
                "protocol_title": config["protocols"][protocol]["title"],
                "observation": observation,
                "frozen": config["protocols"][protocol]["training"].get("frozen", False),
                **_shown_labels(config, observation),
                "observations": {
                    method: other for method, other in others.items() if other != observation
                },
                **({"known_shares": shares} if shares else {}),
                **({"methods": here} if "methods_under" in definition else {}),
                "selection": sorted(
                    {
                        training_settings(config, dataset, protocol, method)["selection"]
                        for method in here
                    }
                ),
            }
        )
    return {
        **{key: value for key, value in definition.items() if key not in hidden},
        **drawn,
        **described,
        "losses": [
            {"name": method, "title": method_title(config, method)}
            for method in definition.get("losses", [])
        ],
        "paper": paper,
        "name": name,
        "blocks": blocks,
        "methods": [{"name": method, "title": method_title(config, method)} for method in methods],
        **_given_titles(config, exhibit, (*methods, *drawn.get("titles", ()))),
        "seeds": exhibit_seeds(config, exhibit) if methods else [],
    }


def collect_settings(config: Mapping[str, Any], exhibit: str) -> dict[str, Any]:
    """What ``python -m spml.collect --settings`` takes: of an exhibit's settings, which runs."""
    settings = exhibit_settings(config, exhibit)
    return {
        "paper": settings["paper"],
        "name": settings["name"],
        "blocks": [
            {key: block[key] for key in ("dataset", "protocol", "methods") if key in block}
            for block in settings["blocks"]
        ],
        "methods": [{"name": method["name"]} for method in settings["methods"]],
        "seeds": settings["seeds"],
    }


def exhibit_observations(config: Mapping[str, Any], exhibit: str) -> list[tuple[str, str, str]]:
    """Dataset, protocol and observation of all observed labels that an exhibit's runs saw.

    The protocol's own is always among them: it says what was there to be seen.
    """
    found: dict[tuple[str, str, str], None] = {}
    for block in exhibit_settings(config, exhibit)["blocks"]:
        for observation in (block["observation"], *block["observations"].values()):
            found[block["dataset"], block["protocol"], observation] = None
    return list(found)


def _pictured(
    config: Mapping[str, Any], groups: Iterable[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Dataset, protocol and its observation of each dataset with runs that has pictures, once."""
    found: dict[str, tuple[str, str, str]] = {}
    for dataset, protocol in groups:
        if "features" not in config["datasets"][dataset]:
            observation = config["protocols"][protocol]["observation"]
            found.setdefault(dataset, (dataset, protocol, observation))
    return list(found.values())


def report_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the report shows: exhibits, runs, and the part of the configuration that is in use.

    The settings of each method are not among it, since every run's record holds them.
    """
    select, exhibits = config["select"], shown_exhibits(config)
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for run in reported_runs(config):
        group = groups.setdefault((run.dataset, run.protocol), {})
        group.setdefault(run.method, []).append(run.seed)
    methods = dict.fromkeys(method for group in groups.values() for method in group)
    pairs = {pair for exhibit in exhibits for pair in exhibit_pairs(config, exhibit)}
    datasets = [name for name in select["datasets"] if name in {pair[0] for pair in pairs}]
    protocols = [name for name in select["protocols"] if name in {pair[1] for pair in pairs}]
    observations = {
        observation_of(config, protocol, method)
        for (_, protocol), group in groups.items()
        for method in group
    } | {config["protocols"][protocol]["observation"] for protocol in protocols}
    return {
        "exhibits": [
            {
                "key": name,
                "title": config["exhibits"][name]["title"],
                "pairs": exhibit_pairs(config, name),
                **({"left_out": without} if (without := exhibit_left_out(config, name)) else {}),
            }
            for name in exhibits
        ],
        # Of each dataset that is trained on, where there are pictures of it: one of its protocols.
        "pictures": [
            {"dataset": dataset, "protocol": protocol, "observation": observation}
            for dataset, protocol, observation in _pictured(config, groups)
        ],
        "runs": {
            "groups": [
                {"dataset": dataset, "protocol": protocol, "seeds": group}
                for (dataset, protocol), group in groups.items()
            ],
            "methods": {name: method_title(config, name) for name in methods},
            # Where the configuration defines those that are variants of a grid.
            "grids": {
                variant: grid
                for grid, variants in config.get("grids", {}).items()
                for variant in variants
                if variant in methods
            },
        },
        "configuration": {
            "select": select,
            "device": config["device"],
            "datasets": {name: config["datasets"][name] for name in datasets},
            "protocols": {name: config["protocols"][name] for name in protocols},
            "observations": {name: config["observations"][name] for name in sorted(observations)},
            "exhibits": {name: config["exhibits"][name] for name in exhibits},
        },
    }
