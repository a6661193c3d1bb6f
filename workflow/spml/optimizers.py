"""torch's optimisers, without importing torch's compiler.

torch wraps some of their methods so that the compiler leaves them alone. The wrappers import it,
which takes longer than a run of the embedded dataset trains; nothing here compiles an optimiser.
"""

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import Any

import torch


def _plain(optimizer: type[torch.optim.Optimizer]) -> dict[str, Callable[..., Any]]:
    """The methods of ``optimizer`` inside those wrappers."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(optimizer, name)) for name in names}
    return {**methods, "step": torch.no_grad()(unwrap(optimizer.step))}


_ADAM = type("Adam", (torch.optim.Adam,), _plain(torch.optim.Adam))
_SGD = type("SGD", (torch.optim.SGD,), _plain(torch.optim.SGD))


def adam(
    groups: Iterable[dict[str, Any]], *, fused: bool = True, **options: Any
) -> torch.optim.Optimizer:
    """``torch.optim.Adam``; fused, one kernel updates all parameters."""
    return _ADAM(groups, fused=fused, **options)


def sgd(groups: Iterable[dict[str, Any]], **options: Any) -> torch.optim.Optimizer:
    """``torch.optim.SGD``, fused likewise."""
    return _SGD(groups, fused=True, **options)
