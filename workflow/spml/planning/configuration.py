"""The merged configuration, resolved into runs and settings.

Imports nothing that imports torch or numpy, since planning imports it. What it is given has been
checked (:mod:`spml.planning.checks`).
"""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..plumbing.run_settings import shorten

# Exhibits that read more of a run than its scores: its record, its epochs, its weights.
OF_TRAININGS = frozenset(
    {
        *("gr_ablation", "gr_hyperparameters", "gr_hyperparameter_curves"),
        *("gr_false_negative_rate", "ll_memorisation_table", "ll_memorisation_curve"),
        *("ll_corrections", "ll_delta_rel", "ll_pointing_game", "ll_examples"),
        *("extra_learning_curves", "extra_search", "extra_search_curves", "extra_selection"),
        "extra_cost",
    }
)
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
    """Everything about training that is not the loss: protocol, then method, then dataset."""
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


def exhibit_methods(
    config: Mapping[str, Any], exhibit: str, protocol: str | None = None
) -> list[str]:
    """The methods that an exhibit shows under a protocol; without one, under all that it shows."""
    definition = config["exhibits"][exhibit]
    under = definition.get("methods_under", {})
    if protocol is None and under:
        protocols = dict.fromkeys(protocol for _, protocol in exhibit_pairs(config, exhibit))
        found = (exhibit_methods(config, exhibit, name) for name in protocols)
        return list(dict.fromkeys(name for names in found for name in names))
    methods = under.get(protocol, definition["methods"])
    if methods != "selected":
        return list(methods)
    without = exhibit_left_out(config, exhibit)
    return [name for name in config["select"]["methods"] if name not in without]


def exhibit_left_out(config: Mapping[str, Any], exhibit: str) -> list[str]:
    """The selected methods that an exhibit of trainings leaves out, since of them there is none."""
    selected = config["exhibits"][exhibit]["methods"] == "selected"
    if exhibit not in OF_TRAININGS or not selected:
        return []
    return [name for name in config["select"]["methods"] if is_given(config, name)]


def protocols_for(config: Mapping[str, Any], datasets: Iterable[str]) -> list[str]:
    """The protocols that are for at least one of the datasets."""
    datasets = list(datasets)
    return [
        name
        for name, protocol in config["protocols"].items()
        if any(dataset in protocol.get("only", datasets) for dataset in datasets)
    ]


def selected_pairs(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The selected datasets, each with the selected protocols that are for it."""
    return [
        (dataset, protocol)
        for dataset in config["select"]["datasets"]
        for protocol in config["select"]["protocols"]
        if dataset in config["protocols"][protocol].get("only", [dataset])
    ]


def exhibit_pairs(config: Mapping[str, Any], exhibit: str) -> list[tuple[str, str]]:
    """The selected datasets and protocols, without those that the exhibit does not show."""
    definition, select = config["exhibits"][exhibit], config["select"]
    datasets = definition.get("datasets", select["datasets"])
    protocols = definition.get("protocols", select["protocols"])
    return [
        (dataset, protocol)
        for dataset, protocol in selected_pairs(config)
        if dataset in datasets and protocol in protocols
    ]


def exhibit_seeds(config: Mapping[str, Any], exhibit: str) -> list[int]:
    """The seeds of an exhibit's runs: its own, or those that are selected."""
    return list(config["exhibits"][exhibit].get("seeds", config["select"]["seeds"]))


def exhibit_runs(config: Mapping[str, Any], exhibit: str) -> list[Run]:
    """The runs that an exhibit shows, in a fixed order."""
    return [
        Run(dataset, protocol, method, seed)
        for dataset, protocol in exhibit_pairs(config, exhibit)
        for method in exhibit_methods(config, exhibit, protocol)
        for seed in exhibit_seeds(config, exhibit)
    ]


def is_shown(config: Mapping[str, Any], exhibit: str) -> bool:
    """Whether an exhibit shows any of the selected datasets under any of the selected protocols.

    One that is made from other exhibits needs one of them to be shown, and one across protocols a
    method that they compare under two.
    """
    definition = config["exhibits"][exhibit]
    if not exhibit_pairs(config, exhibit):
        return False
    if definition.get("across_protocols"):
        return any(len(found) > 1 for found in _compared_under(config, exhibit).values())
    return "exhibits" not in definition or bool(drawn_on(config, exhibit))


def _compared_under(config: Mapping[str, Any], exhibit: str) -> dict[tuple[str, str], set[str]]:
    """Of each dataset and method, under which protocols other exhibits compare it."""
    found: dict[tuple[str, str], set[str]] = {}
    shown = exhibit_pairs(config, exhibit)
    for other in drawn_on(config, exhibit):
        for pair in compared_pairs(config, other):
            dataset, protocol = pair["dataset"], pair["protocol"]
            if (dataset, protocol) in shown:
                for method in exhibit_methods(config, other, protocol):
                    found.setdefault((dataset, method), set()).add(protocol)
    return found


def shown_exhibits(config: Mapping[str, Any]) -> list[str]:
    """The selected exhibits, without those that show nothing of what is selected."""
    return [name for name in config["select"]["exhibits"] if is_shown(config, name)]


def left_out(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is selected and of which nothing is run or shown, by the keys of ``select``."""
    select, pairs = config["select"], selected_pairs(config)
    shown = {
        "datasets": {dataset for dataset, _ in pairs},
        "protocols": {protocol for _, protocol in pairs},
        "exhibits": set(shown_exhibits(config)),
    }
    found = {key: [name for name in select[key] if name not in shown[key]] for key in shown}
    return {key: names for key, names in found.items() if names}


def drawn_on(config: Mapping[str, Any], exhibit: str) -> list[str]:
    """The exhibits that an exhibit is made from: those it names, as far as they are shown.

    Of one that shows comparisons alone, those whose methods are compared.
    """
    definition = config["exhibits"][exhibit]
    return [
        name
        for name in definition["exhibits"]
        if name in config["select"]["exhibits"]
        and exhibit_pairs(config, name)
        and (not definition.get("comparisons") or compared_pairs(config, name))
    ]


def compared_pairs(config: Mapping[str, Any], exhibit: str) -> list[dict[str, str]]:
    """Datasets and protocols on which an exhibit's methods are compared to its reference."""
    definition = config["exhibits"][exhibit]
    if "resamples" not in definition:
        return []
    return [
        {"dataset": dataset, "protocol": protocol}
        for dataset, protocol in exhibit_pairs(config, exhibit)
        if definition["reference"] in (methods := exhibit_methods(config, exhibit, protocol))
        and len(methods) > 1
    ]


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


def job_need(config: Mapping[str, Any], dataset: str, job: str, resource: str, usual: int) -> int:
    """What a dataset says its jobs of one kind need; what is usual where it says nothing."""
    return config["datasets"][dataset].get("jobs", {}).get(job, {}).get(resource, usual)


def compact_json(value: Any) -> str:
    """One line of JSON with sorted keys, for a parameter that Snakemake compares as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


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


def reported_runs(config: Mapping[str, Any]) -> list[Run]:
    """The runs that the selected exhibits show, each once."""
    return list(
        dict.fromkeys(
            run for exhibit in shown_exhibits(config) for run in exhibit_runs(config, exhibit)
        )
    )


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
