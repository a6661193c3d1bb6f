"""Hyperparameters of finished runs: what differs between two of them, and how they read."""

import ast
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spml.exhibits.tables import MINUS
from spml.losses.arguments import loss_arguments

LOSSES = Path(__file__).parents[1] / "losses"

# The hyperparameters of GR Loss that are four numbers, at the start and the end of training.
PARTS = {
    "beta": ("w_0", "w_T", "b_0", "b_T"),
    "alpha": (r"\mu_0", r"\sigma_0", r"\mu_T", r"\sigma_T"),
}
LISTED = 4  # numbers that a text has room for
SYMBOLS = {
    "alpha": r"\alpha",
    "beta": r"\beta",
    "gamma": r"\gamma",
    "gamma_neg": r"\gamma_{-}",
    "gamma_pos": r"\gamma_{+}",
    "gamma_unannotated": r"\gamma_{u}",
    "alpha_neg": r"\alpha_{-}",
    "alpha_pos": r"\alpha_{+}",
    "alpha_unannotated": r"\alpha_{u}",
    "temperature_neg": "T_{-}",
    "temperature_pos": "T_{+}",
    "tau": r"\tau",
    "lam": r"\lambda",
    "delta_rel": r"\Delta_{\mathrm{rel}}",
    "q2": "q_2",
    "q3": "q_3",
}


def _is_divided(name: str, value: Any) -> bool:
    return name in PARTS and isinstance(value, list)


def loss_parts(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Each number by its symbol or, without one, its name; beta and alpha of GR one by one."""
    parts: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        if _is_divided(name, value):
            parts |= zip(PARTS[name], value, strict=True)
        else:
            parts[SYMBOLS.get(name, name)] = value
    return parts


def changed_settings(
    settings: Mapping[str, Any], reference: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """What makes two runs different: each setting with its value and that of the reference.

    Settings are those of a run's record. Addresses and seeds are none; None is a missing one.
    """

    def parts(run: Mapping[str, Any]) -> dict[str, Any]:
        named = {name: run.get(name) for name in ("loss", "head", "observation")}
        return named | run.get("training", {}) | loss_parts(run["hyperparameters"])

    ours, theirs = parts(settings), parts(reference)
    return {
        name: (ours.get(name), theirs.get(name))
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    }


def effective_hyperparameters(loss: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All hyperparameters of a loss in its own order: those given, and its own values otherwise."""
    values = {}
    for name, default in loss_arguments(LOSSES / f"{loss}.py").items():
        if name in given:
            values[name] = given[name]
        elif default is not None:
            values[name] = ast.literal_eval(default)
    return values


def is_symbol(name: str) -> bool:
    """Whether a name of :func:`loss_parts` is a formula and no word."""
    return name in SYMBOLS.values() or any(name in parts for parts in PARTS.values())


def _math(value: float) -> str:
    if math.isinf(value):
        return r"\infty"
    number, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return number
    power = f"10^{{{int(exponent)}}}"
    return power if number == "1" else rf"{number} \cdot {power}"


def value_text(value: Any) -> str:
    """A value as text, with a formula between dollar signs where it needs one."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        formula = _math(value)
        return f"${formula}$" if "\\" in formula or "^" in formula else formula.replace("-", MINUS)
    if isinstance(value, list) and len(value) > LISTED:
        return f"of {len(value)} values from {value_text(min(value))} to {value_text(max(value))}"
    return str(value)


def assignment(name: str, value: Any) -> str:
    """``name = value``: a formula where the name is a symbol of :func:`loss_parts`."""
    if not is_symbol(name) or value is None:
        return f"{name.replace('_', ' ')} {value_text(value)}"
    return f"${name} = {_math(value)}$"


def loss_text(hyperparameters: Mapping[str, Any]) -> str:
    """All hyperparameters of a loss, the four numbers of beta and alpha of GR in brackets."""
    texts = []
    for name, value in hyperparameters.items():
        if _is_divided(name, value):
            numbers = ", ".join(_math(number) for number in value)
            texts.append(f"${SYMBOLS[name]} = ({numbers})$")
        else:
            texts.append(assignment(SYMBOLS.get(name, name), value))
    return ", ".join(texts)
