"""torch's optimisers and its backward pass, without its compiler and its profiler.

torch wraps some of their methods so that the compiler leaves them alone. The wrappers import it,
which takes longer than a run of the embedded dataset trains; nothing here compiles an optimiser.
Others tell its profiler of each call, which for a linear head is a tenth of a step; Adam sorts its
parameters by their devices and types in each step, where they are all alike here; and the backward
pass looks through all that it could have been asked, which is another twentieth.
"""

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import Any

import torch


def backward(loss: torch.Tensor) -> None:
    """``loss.backward()`` of a scalar."""
    torch.autograd.graph._engine_run_backward(
        (loss,), (torch.ones_like(loss),), False, False, (),
        allow_unreachable=True, accumulate_grad=True,
    )  # fmt: skip


def _zero_grad(optimizer: torch.optim.Optimizer) -> None:
    """Forget the gradients."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


@torch.no_grad()
def _fused_step(optimizer: Any) -> None:
    """A step of Adam: a group's parameters that have a gradient are updated by one kernel."""
    for group in optimizer.param_groups:
        parameters = [each for each in group["params"] if each.grad is not None]
        if not parameters:
            continue
        states = [optimizer.state[each] for each in parameters]
        if not all(states):
            optimizer._init_group(group, [], [], [], [], [], [])  # makes those that are missing
        steps = [state["step"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            [each.grad for each in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],  # a third kind of moments, which is not used
            steps,
            lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"],
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
