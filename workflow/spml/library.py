"""The methods of both papers for a training loop of one's own, each in one call.

Names and values are those of the workflow: the same files of its configuration, read by the same
rules. A training loop needs torch and NumPy, and this module PyYAML besides.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from spml import losses
from spml.losses.base import Loss
from spml.planning.configuration import resolve_method
from spml.planning.files import read, update
from spml.plumbing.suggestions import suggestion

PACKAGE = Path(__file__).parent
DEFINITIONS = ("datasets.yaml", "methods.yaml", "protocols.yaml")


@cache
def _definitions() -> dict[str, Any]:
    """What there is to name: datasets, methods, protocols."""
    # An installed package has them in it, as setup.py puts them there; a checkout beside it.
    installed = PACKAGE / "config"
    folder = installed if installed.is_dir() else PACKAGE.parents[1] / "config"
    config: dict[str, Any] = {}
    for name in DEFINITIONS:
        update(config, read(folder / name))
    return config


def _check_name(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        listing = ", ".join(known)
        raise ValueError(f"{kind}: unknown {name!r}{suggestion(name, known)}; known: {listing}")


def method_values(
    name: str, *, dataset: str | None = None, protocol: str | None = None
) -> tuple[str, dict[str, Any]]:
    """The loss of a method, and its hyperparameters; the file says where each of them is from.

    Arguments and errors are those of :func:`method`.
    """
    config = _definitions()
    _check_name("name", name, config["methods"])
    if dataset is not None:
        _check_name("dataset", dataset, config["datasets"])
    if protocol is not None:
        _check_name("protocol", protocol, config["protocols"])
    resolved = resolve_method(config, name, dataset, protocol)
    return resolved["loss"], resolved["hyperparameters"]


def method(
    name: str,
    *,
    num_classes: int,
    dataset: str | None = None,
    protocol: str | None = None,
    num_examples: int | None = None,
    total_epochs: int | None = None,
    **hyperparameters: Any,
) -> Loss:
    """The loss of a method with the workflow's values: a module of logits and observed labels.

    name             of the method, as in ``config/methods.yaml``: ``gr``, ``ll_r``, ``an``, ...
    num_classes      C, at least 1
    dataset          whose values are meant: ``voc``, ``coco``, ``nus``, ``cub``, ...; without it
                     those that the method has for all
    protocol         in whose tables: LL-R, LL-Ct and LL-Cp have other values in GR's (``gr``)
    num_examples     rows of the training split, for a loss that keeps state of each of them
    total_epochs     the number of epochs, for a loss with a schedule over all of them
    hyperparameters  in place of those or beside them

    Of the method it is the loss alone: on which labels it trains, with which head and optimiser is
    left to the caller. Raises ValueError, naming the argument, for an unknown name or value and
    for one that the loss needs and nobody gives.
    """
    loss, values = method_values(name, dataset=dataset, protocol=protocol)
    return losses.build(
        loss,
        num_classes=num_classes,
        num_examples=num_examples,
        total_epochs=total_epochs,
        **{**values, **hyperparameters},
    )
