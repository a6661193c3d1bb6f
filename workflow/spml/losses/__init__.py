"""The losses of both papers, and of others: one file a loss, built by its name.

A file of this folder is a loss, unless its name is in `SHARED` or begins with an underscore. It
defines one subclass of `spml.losses.base.Loss`, whose constructor names the hyperparameters that it
adds to those of its base; without one it has those of its base.
Losses import torch; this module does not until one is built, so that planning can ask it for names.
"""

import difflib
import importlib
import inspect
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..plumbing.errors import UserError

if TYPE_CHECKING:
    from .base import Loss

__all__ = [
    "GIVEN",
    "build",
    "hyperparameters_of",
    "is_loss",
    "loss_class",
    "mapping_table",
    "names",
]

GIVEN = ("num_classes", "num_examples", "total_epochs")  # to the constructor of every loss
SHARED = ("arguments", "base", "framework")  # files of this folder that are no losses


def is_loss(path: Path) -> bool:
    """Whether a file of the folder of losses holds one, and not what losses share."""
    return path.stem not in SHARED and not path.stem.startswith("_")


def names() -> list[str]:
    """The names of all losses in alphabetical order, read from the files of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if is_loss(path))


def _import(name: str) -> ModuleType:
    """The module of the loss `name`."""
    folder = Path(__file__).parent
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except Exception as error:
        # The last line of this folder that was reached; a file that is not Python has none.
        places = [
            (frame.filename, frame.lineno)
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).parent == folder and frame.filename != __file__
        ]
        if isinstance(error, SyntaxError):
            places.append((error.filename or name, error.lineno))
        path, line = places[-1] if places else (folder / f"{name}.py", 1)
        raise UserError(
            f"{path}, line {line}: the loss {name} cannot be imported ({type(error).__name__}: "
            f"{error}); mend that and start again"
        ) from error


def loss_class(name: str) -> "type[Loss]":
    """The class of the loss `name`; imports its module and no other loss's.

    Raises ValueError for an unknown name, listing the known ones with the nearest first, and
    UserError, naming the file, for a loss that cannot be imported or used.
    """
    known = names()
    if name not in known:
        nearest_first = difflib.get_close_matches(str(name), known, n=len(known), cutoff=0.0)
        raise ValueError(f"name: unknown loss {name!r}; known: {', '.join(nearest_first)}")
    module = _import(name)
    base: type[Loss] = importlib.import_module(f"{__name__}.base").Loss
    defined_here = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
    ]
    if len(defined_here) != 1:
        listing = ", ".join(cls.__name__ for cls in defined_here) or "none"
        raise UserError(
            f"{module.__file__} has to define one class that derives from Loss; it has: {listing}"
        )
    [cls] = defined_here
    if missing := sorted(cls.__abstractmethods__):
        raise UserError(
            f"{module.__file__}: {cls.__name__} does not implement {' and '.join(missing)}"
        )
    return cls


def hyperparameters_of(cls: "type[Loss]") -> dict[str, inspect.Parameter]:
    """Each hyperparameter of a loss by its name, those of a base first.

    A constructor that takes further keywords passes them on to the next class, which adds its own;
    of two defaults the one counts whose class derives from the other.
    """
    found: dict[str, inspect.Parameter] = {}
    for ancestor in cls.__mro__:
        if constructor := vars(ancestor).get("__init__"):
            parameters = inspect.signature(constructor).parameters.values()
            named = {each.name: each for each in parameters if each.kind is each.KEYWORD_ONLY}
            found = named | found
            if not any(each.kind is each.VAR_KEYWORD for each in parameters):
                break
    return {name: each for name, each in found.items() if name not in GIVEN}


def build(
    name: str,
    *,
    num_classes: int,
    num_examples: int | None = None,
    total_epochs: int | None = None,
    **hyperparameters: Any,
) -> "Loss":
    """Build the loss `name`.

    `num_classes` is C; `num_examples` is the number of rows of the training split, for losses
    that keep state per example; `total_epochs` is T, the length of the schedules. All are at
    least 1; a loss that needs neither of the last two is built without them. Raises ValueError,
    naming the argument, for an unknown name, an unknown or missing hyperparameter, and a value out
    of range.
    """
    cls = loss_class(name)
    allowed = {
        parameter.name: parameter.default is inspect.Parameter.empty
        for parameter in hyperparameters_of(cls).values()
    }
    listing = ", ".join(allowed) if allowed else "none"
    for given in hyperparameters:
        if given not in allowed:
            raise ValueError(f"{given}: unknown hyperparameter of {name}; allowed: {listing}")
    for wanted, required in allowed.items():
        if required and wanted not in hyperparameters:
            raise ValueError(f"{wanted}: missing hyperparameter of {name}; allowed: {listing}")
    return cls(
        num_classes=num_classes,
        num_examples=num_examples,
        total_epochs=total_epochs,
        **hyperparameters,
    )


def mapping_table() -> list[dict[str, str]]:
    """How each loss reads in the generalized loss: one row a loss, in the order of `names`.

    Columns: method, k, v, L1, L2, L3, outside. A cell is a formula between dollar signs. In the
    row of a loss that the generalized loss cannot express they are empty, and the last one says
    why. See `spml.losses.framework`.
    """
    columns = ["method", "k", "v", "L1", "L2", "L3", "outside"]
    table = []
    for name in names():
        cls = loss_class(name)
        mapping = getattr(cls, "mapping", None)
        cells = [""] * 5 + [cls.outside_framework] if mapping is None else [*mapping, ""]
        table.append(dict(zip(columns, [name, *cells], strict=True)))
    return table
