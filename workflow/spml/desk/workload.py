"""How much the jobs that run a network compute: pictures, from the configuration alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spml.planning.configuration import observation_of, training_settings
from spml.plumbing.addresses import LABELS


class Network(NamedTuple):
    """What the time of one picture depends on; of a head on features ``frozen`` alone."""

    architecture: str | None
    size: int
    batch_size: int
    precision: str
    frozen: bool


class Workload(NamedTuple):
    """What a job computes.

    trained: pictures of all steps of training, at most. scored: pictures that are only looked at,
    likewise. least: the share of both that is left where a run stops early as soon as it can.
    """

    network: Network
    trained: int
    scored: int
    least: float


def split_images(config: Mapping[str, Any], dataset: str, split: str) -> int | None:
    """Images of an official split: what is known of it, or what its labels say; else None."""
    definition = config["datasets"][dataset]
    if "compose" in definition:
        count: int = definition["compose"][split]
        return count
    known = definition.get("source", {}).get("expected", {}).get(split, {}).get("images")
    if known is not None:
        return int(known)
    path = Path(LABELS.format(dataset=dataset))
    if not path.is_file():
        return None
    from spml.data.labels import load_labels  # numpy takes a while to import

    return len(getattr(load_labels(path), split).images)


def _size(config: Mapping[str, Any], dataset: str) -> int:
    definition = config["datasets"][dataset]
    size: int = (definition.get("source") or definition.get("compose") or {}).get("size", 0)
    return size


def _network(config: Mapping[str, Any], dataset: str, training: Mapping[str, Any]) -> Network:
    frozen = training.get("frozen", False)
    backbone = config["datasets"][dataset].get("backbone", {})
    return Network(
        architecture=None if frozen else backbone.get("architecture"),
        size=0 if frozen else _size(config, dataset),
        batch_size=training["batch_size"],
        precision=training.get("precision", "fp32"),
        frozen=frozen,
    )


def of_training(
    config: Mapping[str, Any], dataset: str, protocol: str, method: str
) -> Workload | None:
    """Of one run, as long as it can get; None where the number of images is not known."""
    images, tested = (split_images(config, dataset, split) for split in ("train", "test"))
    if images is None or tested is None:
        return None
    definition = config["protocols"][protocol]
    training = training_settings(config, dataset, protocol, method)
    observation = config["observations"][observation_of(config, protocol, method)]
    validated = round(images * definition["validation_fraction"])
    trained = round((images - validated) * observation.get("fraction", 1))
    epochs = training["epochs"]
    stops = training["early_stop_gap"] is not None or training.get("early_stop_patience")
    return Workload(
        network=_network(config, dataset, training),
        trained=epochs * trained,
        scored=epochs * validated + tested,
        least=2 / epochs if stops and epochs > 2 else 1.0,
    )


def of_looking(config: Mapping[str, Any], dataset: str, split: str) -> Workload | None:
    """Of features or class activation maps of one split; None where that is not known."""
    images = split_images(config, dataset, split)
    if images is None or "backbone" not in config["datasets"][dataset]:
        return None
    network = _network(config, dataset, {"batch_size": 64})
    return Workload(network, trained=0, scored=images, least=1.0)


def of_job(config: Mapping[str, Any], rule: str, wildcards: Mapping[str, str]) -> Workload | None:
    """Of a job of Snakemake's plan; None where it runs no network, or how much is not known."""
    if rule == "train":
        return of_training(config, wildcards["dataset"], wildcards["protocol"], wildcards["method"])
    if rule == "extract_features":
        return of_looking(config, wildcards["dataset"], wildcards["split"])
    if rule == "localise":
        return of_looking(config, wildcards["dataset"], "test")
    return None
