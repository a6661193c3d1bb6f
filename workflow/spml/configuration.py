"""The merged configuration: checked before any job starts, and resolved into the runs it asks for.

Reads YAML and nothing else of this package, so that planning does not import torch.
"""

import ast
import copy
import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import referencing
import yaml

SCHEMAS = ("config", "datasets", "protocols", "methods", "exhibits")
SHARED_LOSS_ARGUMENTS = {"num_classes", "num_examples", "total_epochs"}


class ConfigurationError(Exception):
    """A mistake in the configuration; the text names the file, the key and what is allowed."""


class Run(NamedTuple):
    """The address of one training run."""

    dataset: str
    protocol: str
    method: str
    seed: int


# --------------------------------------------------------------------------------------------------
# Checks
# --------------------------------------------------------------------------------------------------


class _Sources:
    """Says which file a key of the merged configuration came from."""

    def __init__(self, files: Iterable[str | Path]) -> None:
        # The last file wins where files are merged, so it is asked first.
        self._documents = [
            (str(path), yaml.safe_load(Path(path).read_text(encoding="utf-8")))
            for path in reversed(list(files))
        ]

    def of(self, path: Iterable[str | int]) -> str:
        for depth in range(len(keys := list(path)), 0, -1):
            for name, document in self._documents:
                if self._has(document, keys[:depth]):
                    return name
        return "the command line" if not self._documents else self._documents[-1][0]

    @staticmethod
    def _has(document: Any, keys: list[str | int]) -> bool:
        for key in keys:
            try:
                document = document[key]
            except (KeyError, IndexError, TypeError):
                return False
        return True


def _dotted(path: Iterable[str | int]) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or "the top level"


def _nearest(name: object, known: Iterable[str]) -> str:
    """The allowed names, nearest first, with a suggestion where one is close."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{', '.join(known) or 'none'}{hint}"


_TYPES = {
    "object": "a map",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _explain(error: jsonschema.ValidationError) -> tuple[list[str | int], str]:
    """Key path and plain words of one schema violation."""
    path: list[str | int] = list(error.absolute_path)
    rule: Any = error.validator
    value: Any = error.validator_value
    schema: Any = error.schema
    instance: Any = error.instance
    if rule == "additionalProperties":
        allowed = schema.get("properties", {})
        unknown = sorted(set(instance) - set(allowed), key=str)[0]
        return [
            *path,
            unknown,
        ], f"is not a key that exists here; allowed: {_nearest(unknown, allowed)}"
    if rule == "required":
        missing = next(key for key in value if key not in instance)
        return [*path, missing], "is missing"
    if rule == "type":
        wanted = [value] if isinstance(value, str) else value
        words = " or ".join(_TYPES[name] for name in wanted)
        return path, f"must be {words}, not {error.instance!r}"
    if rule == "enum":
        return path, f"is {error.instance!r}; allowed: {_nearest(error.instance, map(str, value))}"
    if rule in ("anyOf", "oneOf") and error.context:
        texts = [branch for branch in error.context if branch.validator != "type"]
        if texts:
            return _explain(texts[0])
        wanted = [name for branch in error.context for name in [branch.validator_value]]
        words = " or ".join(_TYPES.get(str(name), str(name)) for name in wanted)
        return path, f"must be {words}, not {error.instance!r}"
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "minItems": "a list of at least {}",
        "maxItems": "a list of at most {}",
    }
    if rule in limits:
        return path, f"must be {limits[rule].format(value)}, not {error.instance!r}"
    if rule == "uniqueItems":
        return path, f"names something twice: {error.instance!r}"
    if rule == "pattern":
        return (
            path,
            f"is {error.instance!r}; allowed are lower-case letters, digits and underscores",
        )
    return path, error.message


def load_validator(folder: str | Path) -> jsonschema.Draft202012Validator:
    """A validator of the merged configuration, put together from the schema of each file."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    resources = []
    for name in SCHEMAS:
        file = f"{name}.schema.yaml"
        schema = yaml.safe_load((Path(folder) / file).read_text(encoding="utf-8"))
        resources.append((file, referencing.Resource.from_contents(schema)))
        for key in schema["properties"]:
            properties[key] = {"$ref": f"{file}#/properties/{key}"}
        required += schema["required"]
    merged = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required,
    }
    registry = referencing.Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(merged, registry=registry)


def loss_hyperparameters(losses: str | Path) -> dict[str, dict[str, bool]]:
    """The hyperparameters of each loss, each with whether it must be given.

    Read from the constructor in each loss's file without importing it: importing torch takes longer
    than planning the whole workflow.
    """
    result = {}
    for path in sorted(Path(losses).glob("*.py")):
        if path.stem in ("base", "framework") or path.stem.startswith("_"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        constructors = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        ]
        arguments = constructors[0].args if constructors else None
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if arguments else ()
        result[path.stem] = {
            argument.arg: default is None
            for argument, default in pairs
            if argument.arg not in SHARED_LOSS_ARGUMENTS
        }
    return result


def check(
    config: Mapping[str, Any],
    *,
    files: Iterable[str | Path],
    schemas: str | Path,
    losses: str | Path,
) -> None:
    """Raise ConfigurationError for the first mistake in the merged ``config``.

    files: the configuration files in the order in which they were merged, to name the guilty one.
    schemas: folder of the JSON Schemas. losses: folder of the loss modules.
    """
    sources = _Sources(files)

    def fail(path: list[str | int], text: str) -> None:
        raise ConfigurationError(f"{sources.of(path)}: {_dotted(path)} {text}")

    validator = load_validator(schemas)
    # The violation nearest to the top of the document explains the ones below it.
    error = min(
        validator.iter_errors(config), key=lambda error: len(error.absolute_path), default=None
    )
    if error is not None:
        fail(*_explain(error))

    def known(path: list[str | int], name: str, names: Iterable[str]) -> None:
        if name not in names:
            fail(path, f"is {name!r}; allowed: {_nearest(name, names)}")

    for kind in ("datasets", "protocols", "methods", "exhibits"):
        for position, name in enumerate(config["select"][kind]):
            known(["select", kind, position], name, config[kind])
    for name, protocol in config["protocols"].items():
        known(["protocols", name, "observation"], protocol["observation"], config["observations"])
        for position, dataset in enumerate(protocol.get("only", [])):
            known(["protocols", name, "only", position], dataset, config["datasets"])
    for name, exhibit in config["exhibits"].items():
        for position, protocol in enumerate(exhibit.get("protocols", [])):
            known(["exhibits", name, "protocols", position], protocol, config["protocols"])
        if exhibit["methods"] != "selected":
            for position, method in enumerate(exhibit["methods"]):
                known(["exhibits", name, "methods", position], method, config["methods"])
        for position, method in enumerate(exhibit.get("losses", [])):
            known(["exhibits", name, "losses", position], method, config["methods"])
        if "reference" in exhibit:
            known(["exhibits", name, "reference"], exhibit["reference"], config["methods"])
    if not selected_pairs(config):
        fail(
            ["select", "protocols"],
            f"has none that is for a selected dataset ({', '.join(config['select']['datasets'])})",
        )
    _check_methods(config, fail, known, loss_hyperparameters(losses))


def _check_methods(config: Mapping[str, Any], fail: Any, known: Any, losses: dict) -> None:
    # A method need not have hyperparameters for datasets on which nothing runs it.
    runs = {
        (dataset, protocol, method)
        for exhibit in config["select"]["exhibits"]
        for dataset, protocol in exhibit_pairs(config, exhibit)
        for method in exhibit_methods(config, exhibit)
    }
    for name, method in config["methods"].items():
        path: list[str | int] = ["methods", name]
        chain = [name]
        while (parent := config["methods"][chain[-1]].get("extends")) is not None:
            known(["methods", chain[-1], "extends"], parent, config["methods"])
            if parent in chain:
                fail([*path, "extends"], f"goes round in a circle: {' -> '.join([*chain, parent])}")
            chain.append(parent)
        for dataset in method.get("datasets", {}):
            known([*path, "datasets", dataset], dataset, config["datasets"])
        for protocol, override in method.get("protocols", {}).items():
            known([*path, "protocols", protocol], protocol, config["protocols"])
            for dataset in override.get("datasets", {}):
                known(
                    [*path, "protocols", protocol, "datasets", dataset], dataset, config["datasets"]
                )
        for dataset, protocol in [(None, None), *selected_pairs(config)]:
            resolved = resolve_method(config, name, dataset, protocol)
            if "loss" not in resolved:
                fail([*path, "loss"], "is missing")
            known([*path, "loss"], resolved["loss"], losses)
            known(
                [*path, "observation"],
                resolved.get("observation", next(iter(config["observations"]))),
                config["observations"],
            )
            allowed = losses[resolved["loss"]]
            for key in resolved["hyperparameters"]:
                if key not in allowed:
                    fail(
                        [*path, "hyperparameters", key],
                        f"is not a hyperparameter of {resolved['loss']}; "
                        f"allowed: {_nearest(key, allowed)}",
                    )
            for key, needed in allowed.items():
                missing = needed and key not in resolved["hyperparameters"]
                if missing and (dataset, protocol, name) in runs:
                    fail([*path, "hyperparameters", key], f"is missing for dataset {dataset}")


# --------------------------------------------------------------------------------------------------
# Resolution
# --------------------------------------------------------------------------------------------------


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
    resolved = resolve_method(config, method, None)
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
    return {**settings, "device": config["device"]}


def run_settings(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str, seed: int
) -> dict[str, Any]:
    """The settings of one run, as ``python -m spml.train --settings`` takes them."""
    resolved = resolve_method(config, method, dataset, protocol)
    return {
        "dataset": dataset,
        "protocol": protocol,
        "method": method,
        "seed": seed,
        "loss": resolved["loss"],
        "hyperparameters": resolved["hyperparameters"],
        "observation": observation_of(config, protocol, method),
        "architecture": config["datasets"][dataset]["backbone"]["architecture"],
        "head": resolved["head"],
        "images": config["datasets"][dataset]["images"],
        "training": training_settings(config, dataset, protocol, method),
    }


def exhibit_methods(config: Mapping[str, Any], exhibit: str) -> list[str]:
    """The methods that an exhibit shows."""
    methods = config["exhibits"][exhibit]["methods"]
    return list(config["select"]["methods"] if methods == "selected" else methods)


def selected_pairs(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The selected datasets, each with the selected protocols that are for it."""
    return [
        (dataset, protocol)
        for dataset in config["select"]["datasets"]
        for protocol in config["select"]["protocols"]
        if dataset in config["protocols"][protocol].get("only", [dataset])
    ]


def exhibit_pairs(config: Mapping[str, Any], exhibit: str) -> list[tuple[str, str]]:
    """The selected datasets and protocols, without protocols that the exhibit does not show."""
    shown = config["exhibits"][exhibit].get("protocols", config["select"]["protocols"])
    return [pair for pair in selected_pairs(config) if pair[1] in shown]


def exhibit_runs(config: Mapping[str, Any], exhibit: str) -> list[Run]:
    """The runs that an exhibit shows, in a fixed order."""
    return [
        Run(dataset, protocol, method, seed)
        for dataset, protocol in exhibit_pairs(config, exhibit)
        for method in exhibit_methods(config, exhibit)
        for seed in config["select"]["seeds"]
    ]


def shown_exhibits(config: Mapping[str, Any]) -> list[str]:
    """The selected exhibits, without those that show none of the selected datasets or protocols."""
    return [name for name in config["select"]["exhibits"] if exhibit_pairs(config, name)]


def compact_json(value: Any) -> str:
    """One line of JSON with sorted keys, for a parameter that Snakemake compares as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def describe_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of the gradient figure, as ``python -m spml.describe --settings`` takes them.

    Hyperparameters and number of epochs are those of the first dataset and protocol that it shows.
    """
    curves = []
    for dataset, protocol in exhibit_pairs(config, "gr_gradients")[:1]:
        for method in config["exhibits"]["gr_gradients"]["losses"]:
            resolved = resolve_method(config, method, dataset, protocol)
            training = training_settings(config, dataset, protocol, method)
            curves.append(
                {
                    "name": method,
                    "title": resolved["title"],
                    "loss": resolved["loss"],
                    "hyperparameters": resolved["hyperparameters"],
                    "total_epochs": training["epochs"],
                }
            )
    return {"curves": curves}


def exhibit_settings(config: Mapping[str, Any], exhibit: str) -> dict[str, Any]:
    """What an exhibit shows, as ``python -m spml.exhibits.<exhibit> --settings`` takes it.

    A block is one dataset under one protocol. ``observations`` names the observation of those
    methods that do not train on the protocol's own.
    """
    definition = config["exhibits"][exhibit]
    methods = exhibit_methods(config, exhibit)
    paper, _, name = exhibit.partition("_")
    hidden = ("methods", "losses", "protocols")
    blocks = []
    for dataset, protocol in exhibit_pairs(config, exhibit):
        observation = config["protocols"][protocol]["observation"]
        others = {method: observation_of(config, protocol, method) for method in methods}
        blocks.append(
            {
                "dataset": dataset,
                "dataset_title": config["datasets"][dataset]["title"],
                "protocol": protocol,
                "protocol_title": config["protocols"][protocol]["title"],
                "observation": observation,
                "positives": config["observations"][observation]["positives"],
                "negatives": config["observations"][observation]["negatives"],
                "observations": {
                    method: other for method, other in others.items() if other != observation
                },
                "selection": sorted(
                    {
                        training_settings(config, dataset, protocol, method)["selection"]
                        for method in methods
                    }
                ),
            }
        )
    return {
        **{key: value for key, value in definition.items() if key not in hidden},
        "losses": [
            {"name": method, "title": resolve_method(config, method, None)["title"]}
            for method in definition.get("losses", [])
        ],
        "paper": paper,
        "name": name,
        "blocks": blocks,
        "methods": [
            {"name": method, "title": resolve_method(config, method, None)["title"]}
            for method in methods
        ],
        "seeds": list(config["select"]["seeds"]) if methods else [],
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
            }
            for name in exhibits
        ],
        "runs": {
            "groups": [
                {"dataset": dataset, "protocol": protocol, "seeds": group}
                for (dataset, protocol), group in groups.items()
            ],
            "methods": {name: resolve_method(config, name, None)["title"] for name in methods},
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
