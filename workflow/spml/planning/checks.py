"""Checks of the merged configuration before any job starts: each mistake is one sentence."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import jsonschema
import referencing
import yaml

from ..losses import is_loss
from ..losses.arguments import loss_arguments, parse
from ..plumbing.suggestions import suggestion
from . import grids, numbers
from .configuration import is_given, resolve_method, training_settings
from .shown import (
    OF_TRAININGS,
    exhibit_methods,
    exhibit_pairs,
    exhibit_runs,
    protocols_for,
    reported_runs,
    selected_pairs,
)

SCHEMAS = ("config", "datasets", "protocols", "methods", "exhibits")
METHODS_SCHEMA = {"$ref": "methods.schema.yaml#/properties/methods"}
PICTURED = ("ll_pointing_game", "ll_examples")  # need the pictures themselves
MAPPED = "ll_pointing_game"  # needs maps of features
# Networks that make none, by the first part of their names: as spml.training.models, which imports
# torch, has them.
WITHOUT_MAP = ("vit_", "convnext_", "maxvit_")
TOLD = 8  # names of many that are allowed, where one of them was probably meant
RECORDED = ("ll_memorisation_table", "ll_examples")  # show what became of each training entry
# Show other methods under one protocol than under another.
PARTED = ("gr_main_table",)


class ConfigurationError(Exception):
    """A mistake in the configuration; the text names the file, the key and what is allowed."""


class _Sources:
    """Says which document a key of the merged configuration came from."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        # The last one wins where they are merged, so it is asked first.
        self._documents = list(documents.items())[::-1]

    def of(self, path: Iterable[str | int]) -> str:
        for depth in range(len(keys := list(path)), 0, -1):
            for name, document in self._documents:
                if self._has(document, keys[:depth]):
                    return name
        return "the configuration"

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


def _allowed(name: object, known: Iterable[str]) -> str:
    """What a message about an unknown name ends with: a suggestion, and the allowed names.

    Beside a suggestion, of many names the first; without one, all of them.
    """
    known = sorted(known)
    meant = suggestion(name, known)
    told, more = known, ""
    if meant and len(known) > 2 * TOLD:
        told, more = known[:TOLD], f" and {len(known) - TOLD} others"
    return f"{meant}; allowed: {', '.join(told) or 'none'}{more}"


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
        ], f"is not a key that exists here{_allowed(unknown, allowed)}"
    if rule == "required":
        missing = next(key for key in value if key not in instance)
        return [*path, missing], "is missing"
    if rule == "not":  # a key that another one rules out
        return path, "cannot stand beside known, bias or given; leave one of them out"
    if rule == "dependentRequired":
        key, missing = next(
            (key, other)
            for key, others in value.items()
            for other in others
            if key in instance and other not in instance
        )
        return [*path, missing], f"is missing; {key} needs it, so define it or leave out {key}"
    if rule == "type":
        wanted = [value] if isinstance(value, str) else value
        words = " or ".join(_TYPES[name] for name in wanted)
        return path, f"must be {words}, not {error.instance!r}"
    if rule == "const":
        return path, f"must be {str(value).lower()}, not {error.instance!r}; or leave it out"
    if rule == "enum":
        return path, f"is {error.instance!r}{_allowed(error.instance, map(str, value))}"
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
        "minProperties": "a map of at least {}",
    }
    if rule in limits:
        return path, f"must be {limits[rule].format(value)}, not {error.instance!r}"
    if rule == "uniqueItems":
        return path, f"names something twice: {error.instance!r}"
    if rule == "pattern" and error.absolute_path and error.absolute_path[-1] == "title":
        return (
            path,
            f"is {error.instance!r}; a title is one line, which neither begins with a space or an "
            "underscore nor ends with a space",
        )
    if rule == "pattern":
        return (
            path,
            f"is {error.instance!r}; allowed are lower-case letters, digits and underscores",
        )
    return path, error.message


def _load_validator(folder: str | Path) -> jsonschema.Draft202012Validator:
    """A validator of the merged configuration, put together from the schema of each file."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    resources = []
    for name in SCHEMAS:
        file = f"{name}.schema.yaml"
        text = (Path(folder) / file).read_text(encoding="utf-8")
        schema = yaml.load(text, Loader=yaml.CSafeLoader)
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
    """The hyperparameters of each loss, each with whether it must be given."""
    found = {}
    for path in sorted(Path(losses).glob("*.py")):
        if is_loss(path):
            arguments = loss_arguments(path)
            found[path.stem] = {name: default is None for name, default in arguments.items()}
        else:
            parse(path)  # what losses share has to be Python too
    return found


def check(
    config: dict[str, Any],
    *,
    documents: Mapping[str, Any],
    schemas: str | Path,
    losses: str | Path,
) -> None:
    """Raise ConfigurationError for the first mistake in the merged ``config``.

    Numbers that are text become numbers in it first.

    documents: what was merged, by the name of its file and in order, to name the guilty one.
    schemas: folder of the JSON Schemas. losses: folder of the loss modules.
    """
    sources = _Sources(documents)
    made: dict[str, Any] = {}  # the variants of each grid, whose mistakes are those of the grid

    def fail(path: list[str | int], text: str) -> None:
        path = grids.origin(made, path)
        raise ConfigurationError(f"{sources.of(path)}: {_dotted(path)} {text}")

    def refuse(errors: Iterable[jsonschema.ValidationError]) -> None:
        # The violation nearest to the top of the document explains the ones below it.
        error = min(errors, key=lambda error: len(error.absolute_path), default=None)
        if error is not None:
            fail(*_explain(error))

    validator = _load_validator(schemas)
    errors = list(validator.iter_errors(config))
    if numbers.read_numbers(config, errors):
        errors = list(validator.iter_errors(config))
    refuse(errors)
    numbers.read_grid_numbers(config)
    written = config
    try:
        config = grids.expand(written)
    except grids.GridError as error:
        fail([*error.path], error.text)
    made |= config["grids"]
    # All else is as it was.
    changed = [name for grid, variants in made.items() for name in (grid, *variants)]
    methods = {name: config["methods"][name] for name in changed}
    refuse(validator.descend(methods, METHODS_SCHEMA, path="methods"))

    def known(
        path: list[str | int], name: str, names: Iterable[str], offered: Iterable[str] | None = None
    ) -> None:
        if name not in names:
            fail(path, f"is {name!r}{_allowed(name, names if offered is None else offered)}")

    fitting = protocols_for(config, config["select"]["datasets"])
    for kind in ("datasets", "protocols", "methods", "exhibits"):
        for position, name in enumerate(written["select"][kind]):
            offered = fitting if kind == "protocols" else config[kind]
            known(["select", kind, position], name, config[kind], offered)
    for kind in ("datasets", "protocols", "methods", "exhibits"):
        for name, definition in config[kind].items():
            if {"{", "}"} & set(definition.get("title", "")):
                fail([kind, name, "title"], f"is {definition['title']!r}; it may have no braces")
    for name, dataset in config["datasets"].items():
        if "features" in dataset:
            continue
        given = [len(dataset["images"][key]) for key in ("mean", "deviation")]
        channels = 3 if "source" in dataset else given[0]
        if given != [channels, channels]:
            fail(["datasets", name, "images"], f"needs {channels} values of mean and of deviation")
    for name, protocol in config["protocols"].items():
        known(["protocols", name, "observation"], protocol["observation"], config["observations"])
        for position, dataset in enumerate(protocol.get("only", [])):
            known(["protocols", name, "only", position], dataset, config["datasets"])
        for dataset in protocol.get("datasets", {}):
            known(["protocols", name, "datasets", dataset], dataset, config["datasets"])
    for name, exhibit in config["exhibits"].items():
        for position, dataset in enumerate(exhibit.get("datasets", [])):
            known(["exhibits", name, "datasets", position], dataset, config["datasets"])
        offered = protocols_for(config, exhibit.get("datasets", config["datasets"]))
        for position, protocol in enumerate(exhibit.get("protocols", [])):
            known(["exhibits", name, "protocols", position], protocol, config["protocols"], offered)
        if exhibit["methods"] != "selected":
            for position, method in enumerate(written["exhibits"][name]["methods"]):
                known(["exhibits", name, "methods", position], method, config["methods"])
        for protocol, methods in written["exhibits"][name].get("methods_under", {}).items():
            place = ["exhibits", name, "methods_under", protocol]
            if name not in PARTED:
                fail(place[:-1], f"is for {', '.join(PARTED)} alone; leave it out")
            known(place, protocol, config["protocols"], offered)
            for position, method in enumerate(methods):
                known([*place, position], method, config["methods"])
        for position, method in enumerate(exhibit.get("losses", [])):
            known(["exhibits", name, "losses", position], method, config["methods"])
        for position, other in enumerate(exhibit.get("exhibits", [])):
            known(["exhibits", name, "exhibits", position], other, config["exhibits"])
        for dataset in exhibit.get("sources", {}):
            known(["exhibits", name, "sources", dataset], dataset, config["datasets"])
        described = [*config["methods"], *exhibit.get("published_only", {})]
        for method in exhibit.get("entries", {}):
            known(["exhibits", name, "entries", method], method, described)
        for key in ("reference", "full"):
            if key in exhibit:
                known(["exhibits", name, key], exhibit[key], config["methods"])
        for family, definition in exhibit.get("families", {}).items():
            for position, method in enumerate(definition["methods"]):
                place = ["exhibits", name, "families", family, "methods", position]
                known(place, method, config["methods"])
    for name, protocol in config["protocols"].items():
        for dataset in (None, *protocol.get("datasets", {})):
            changes = protocol["datasets"][dataset] if dataset else {}
            training = {**protocol["training"], **changes}
            if training.get("frozen", False) and training["linear_init"] is not None:
                fail(
                    ["protocols", name, "training", "frozen"],
                    "is true, so that the head alone is trained; linear_init must be null",
                )
    for dataset, protocol in selected_pairs(config):
        if "features" not in config["datasets"][dataset]:
            continue
        if not config["protocols"][protocol]["training"].get("frozen", False):
            frozen = [
                name
                for name, definition in config["protocols"].items()
                if definition["training"].get("frozen", False)
                and dataset in definition.get("only", [dataset])
            ]
            fail(
                ["select", "protocols"],
                f"has {protocol}, which trains on pictures, and of {dataset} there are features "
                f"alone; choose a protocol that trains on them ({', '.join(frozen) or 'none yet'})",
            )
        for exhibit in config["select"]["exhibits"]:
            if exhibit in PICTURED and (dataset, protocol) in exhibit_pairs(config, exhibit):
                fail(
                    ["select", "exhibits"],
                    f"has {exhibit}, which shows pictures, and of {dataset} there are features "
                    "alone; leave it out, or give it the datasets that have pictures",
                )
    for dataset, protocol in selected_pairs(config):
        architecture = config["datasets"][dataset].get("backbone", {}).get("architecture", "")
        if (
            architecture.startswith(WITHOUT_MAP)
            and MAPPED in config["select"]["exhibits"]
            and (dataset, protocol) in exhibit_pairs(config, MAPPED)
        ):
            fail(
                ["select", "exhibits"],
                f"has {MAPPED}, which shows maps of features, and {architecture}, the network of "
                f"{dataset}, makes none; leave it out, or give it other datasets",
            )
    if not selected_pairs(config):
        fail(
            ["select", "protocols"],
            f"has none that is for a selected dataset ({', '.join(config['select']['datasets'])}); "
            f"allowed: {', '.join(sorted(fitting)) or 'none (protocols.<name>.only says which)'}",
        )
    hyperparameters = loss_hyperparameters(losses)
    _check_methods(config, fail, known, hyperparameters)
    _check_priors(config, fail, known, hyperparameters)
    _check_recording(config, fail)


def _check_methods(config: Mapping[str, Any], fail: Any, known: Any, losses: dict) -> None:
    # A method need not have hyperparameters for datasets on which nothing runs it.
    runs: dict[tuple[str | None, str | None, str], str] = {
        (dataset, protocol, method): exhibit
        for exhibit in config["select"]["exhibits"]
        for dataset, protocol in exhibit_pairs(config, exhibit)
        for method in exhibit_methods(config, exhibit, protocol)
    }
    # Its losses are built for the first dataset and protocol that it shows, and no run is made.
    drawn = "gr_gradients"
    places = exhibit_pairs(config, drawn) if drawn in config["exhibits"] else []
    for place in places[:1]:
        for method in config["exhibits"][drawn].get("losses", []):
            runs.setdefault((*place, method), drawn)
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
        if is_given(config, name):
            _check_scores(config, fail, known, name)
            continue
        if "logits" in method:
            fail([*path, "logits"], "is of scores that are given; leave it out, or give scores")
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
                        f"is not a hyperparameter of {resolved['loss']}{_allowed(key, allowed)}",
                    )
            for key, needed in allowed.items():
                exhibit = runs.get((dataset, protocol, name))
                if needed and key not in resolved["hyperparameters"] and exhibit is not None:
                    fail(
                        [*path, "hyperparameters", key],
                        f"is missing for dataset {dataset}, on which {exhibit} shows {name}",
                    )


def _check_scores(config: Mapping[str, Any], fail: Any, known: Any, name: str) -> None:
    """Refuse what a method whose scores come from elsewhere cannot have, or cannot be shown in."""
    path, resolved = ["methods", name], resolve_method(config, name, None)
    for place in [(None, None), *selected_pairs(config)]:
        here = resolve_method(config, name, *place)
        for key in ("loss", "prior_from", "hyperparameters", "training"):
            if here.get(key):
                fail([*path, key], "cannot stand beside scores, of which nothing is trained here")
    known(
        [*path, "observation"],
        resolved.get("observation", next(iter(config["observations"]))),
        config["observations"],
    )
    pattern = resolved["scores"]
    if Path(pattern).suffix not in (".npz", ".csv"):
        fail([*path, "scores"], f"is {pattern!r}; scores are read from .npz and .csv")
    try:
        named = {part[1] for part in Formatter().parse(pattern) if part[1] is not None}
    except ValueError as error:
        fail([*path, "scores"], f"is {pattern!r}, whose braces do not close ({error})")
    if unknown := sorted(named - {"dataset", "protocol", "seed"}):
        fail(
            [*path, "scores"],
            f"names {{{unknown[0]}}}; allowed: {{dataset}}, {{protocol}} and {{seed}}",
        )
    runs = [run for run in reported_runs(config) if run.method == name]
    for key in ("dataset", "seed"):
        values = list(dict.fromkeys(str(getattr(run, key)) for run in runs))
        if len(values) > 1 and key not in named:
            fail(
                [*path, "scores"],
                f"is {pattern!r} for {key}s {', '.join(values)} alike; name {{{key}}} in it, or "
                "select one",
            )
    for exhibit in config["select"]["exhibits"]:
        shown = config["exhibits"][exhibit]["methods"]
        if exhibit in OF_TRAININGS and shown != "selected" and name in shown:
            fail(
                ["exhibits", exhibit, "methods"],
                f"has {name}, of which there are scores alone, and {exhibit} shows more of a "
                "training; leave it out",
            )


def _check_priors(config: Mapping[str, Any], fail: Any, known: Any, losses: dict) -> None:
    """Refuse a prior that no run can find, or that the loss does not take."""
    for name in config["methods"]:
        resolved = resolve_method(config, name, None)
        if "prior_from" not in resolved:
            continue
        path, source = ["methods", name, "prior_from"], resolved["prior_from"]
        known(path, source, config["methods"])
        if is_given(config, source):
            fail(path, f"is {source!r}, which is not trained here and finds no prior")
        if "prior" not in losses[resolved["loss"]]:
            fail(path, f"is {source!r}, but {resolved['loss']} has no prior; leave it out")
        if "prior" in resolved["hyperparameters"]:
            fail(path, f"is {source!r}, but hyperparameters has a prior too; leave one of them out")
        if "prior_from" in resolve_method(config, source, None):
            fail(path, f"is {source!r}, which takes its own from another; name one that has none")


def _check_recording(config: Mapping[str, Any], fail: Any) -> None:
    for exhibit in config["select"]["exhibits"]:
        for run in exhibit_runs(config, exhibit) if exhibit in RECORDED else ():
            training = training_settings(config, run.dataset, run.protocol, run.method)
            if not training.get("record_entries", False):
                fail(
                    ["methods", run.method, "training", "record_entries"],
                    f"must be true, because {exhibit} shows {run.method} on {run.dataset} under "
                    f"{run.protocol}; set it there, or show a method that extends {run.method}",
                )
