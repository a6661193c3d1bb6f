"""torch's optimisers, without its compiler and its profiler.

torch wraps some of their methods so that the compiler leaves them alone. The wrappers import it,
which takes longer than a run of the embedded dataset trains; nothing here compiles an optimiser.
Others tell its profiler of each call, which for a linear head is a tenth of a step; and Adam sorts
its parameters by their devices and types in each step, where they are all alike here.
"""

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import Any

import torch


def _zero_grad(optimizer: torch.optim.Optimizer) -> None:
    """Forget the gradients."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


@torch.no_grad()
def _fused_step(optimizer: Any) -> None:
    """A step of Adam: a group's parameters that have a gradient are updated by one kernel."""
    for group in optimizer.param_groups:
        # Parameters, gradients, three kinds of moments of which the last is not used, steps.
        lists: list[list[torch.Tensor]] = [[] for _ in range(6)]
        optimizer._init_group(group, *lists)
        if not lists[0]:
            continue
        beta1, beta2 = group["betas"]
        torch._foreach_add_(lists[-1], 1)
        torch._fused_adam_(
            *lists, lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"],
            weight_decay=group["weight_decay"], amsgrad=False, maximize=False,
        )  # fmt: skip


_fused_step.hooked = True  # type: ignore[attr-defined]


def _plain(optimizer: type[torch.optim.Optimizer]) -> dict[str, Callable[..., Any]]:
    """The methods of ``optimizer`` inside those wrappers."""
    names = ("add_param_group", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(optimizer, name)) for name in names}
    step = torch.no_grad()(unwrap(optimizer.step))
    step.hooked = True  # so that torch does not wrap it for the profiler when it is first used
    return {**methods, "zero_grad": _zero_grad, "step": step}


_ADAM = type("Adam", (torch.optim.Adam,), _plain(torch.optim.Adam))
FusedAdam: Any = type("FusedAdam", (_ADAM,), {"step": _fused_step})
_SGD = type("SGD", (torch.optim.SGD,), _plain(torch.optim.SGD))


def adam(
    groups: Iterable[dict[str, Any]], *, fused: bool = True, **options: Any
) -> torch.optim.Optimizer:
    """``torch.optim.Adam``; fused, one kernel updates all parameters."""
    return (FusedAdam if fused else _ADAM)(groups, fused=fused, **options)


def sgd(groups: Iterable[dict[str, Any]], **options: Any) -> torch.optim.Optimizer:
    """``torch.optim.SGD``, fused likewise."""
    return _SGD(groups, fused=True, **options)
