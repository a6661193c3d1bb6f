"""What is selected, and which methods and runs each exhibit shows."""

from collections.abc import Iterable, Mapping
from typing import Any

from .configuration import Run, is_given

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


def reported_runs(config: Mapping[str, Any]) -> list[Run]:
    """The runs that the selected exhibits show, each once."""
    return list(
        dict.fromkeys(
            run for exhibit in shown_exhibits(config) for run in exhibit_runs(config, exhibit)
        )
    )
