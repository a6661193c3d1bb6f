"""Adam for parameters with a row an example, of which a step reads and changes a few rows alone.

Adam goes on moving a row after its last gradient, by what is left of the row's first moment: nine
tenths after a step, nothing that a float32 could tell after some hundred. Nobody reads the row in
between, so that these steps can be taken later, all at once, before the row is read again. A step
then costs what its rows cost, however many there are.

With m and v the moments of a row after its step s, and no gradient since, step s + j moves it by

    -lr * beta1^j / (1 - beta1^(s + j)) * m / (sqrt(beta2^j / (1 - beta2^(s + j)) * v) + epsilon)
    = -lr * m * r / (beta1^-j - beta1^s) / (sqrt(v) + epsilon * r)   with r^2 = beta2^-j - beta2^s

and leaves the moments beta1^j * m and beta2^j * v. The first `SETTLED` of these moves are added up;
together, the others are less than a ten-millionth of the sum, which no float32 tells.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spml.losses.base import Loss
from spml.training.optimizers import FusedAdam, adam

SETTLED = 160
ROWS_AT_ONCE = 64

Group = dict[str, Any]


class RowAdam(FusedAdam):
    """Adam; row by row for groups with ``by_example``, whose parameters have sparse gradients.

    Who reads rows of these calls :meth:`catch_up` before. Such groups have no weight decay, and
    rates that do not change. It is for a processor: that some rows move is asked in each step.
    """

    def __init__(self, groups: Sequence[Group], **options: Any) -> None:
        super().__init__(groups, fused=True, **options)
        self.later = torch.arange(1, SETTLED + 1, dtype=torch.float64)
        self.powers = [beta**-self.later for beta in self.defaults["betas"]]

    @torch.no_grad()
    def catch_up(self, index: Tensor) -> None:
        """Let the rows ``index`` (B,) take the steps that are still to be taken."""
        for parameter, group in self._by_example():
            if parameter in self.state:
                self._catch_up(parameter, group, index)

    def settle(self) -> None:
        """Let all rows do so, so that they are where they would be with Adam."""
        for parameter, _ in self._by_example():
            for index in torch.arange(len(parameter)).split(ROWS_AT_ONCE):
                self.catch_up(index)

    @torch.no_grad()
    def step(self) -> None:
        """One step of all parameters that have a gradient."""
        for parameter, group in self._by_example():
            if parameter.grad is not None:
                self._step(parameter, group, parameter.grad)
                parameter.grad = None
        super().step()

    step.hooked = True  # type: ignore[attr-defined]  # as in spml.training.optimizers

    def _by_example(self) -> list[tuple[Tensor, Group]]:
        groups = [group for group in self.param_groups if group.get("by_example")]
        return [(parameter, group) for group in groups for parameter in group["params"]]

    def _catch_up(self, parameter: Tensor, group: Group, index: Tensor) -> None:
        state = self.state[parameter]
        first = state["exp_avg"].index_select(0, index)
        second = state["exp_avg_sq"].index_select(0, index)
        # In double precision, since a high power makes much of an error of its base.
        taken = state["taken"].index_select(0, index).double()
        ahead = state["step"] - taken
        beta1, beta2 = self.defaults["betas"]
        if first.any():
            moves = self._moves(second, taken, ahead).mul_(first)
            parameter.index_add_(0, index, moves, alpha=-group["lr"])
            state["exp_avg"].index_copy_(0, index, first.mul_(beta1**ahead))
        state["exp_avg_sq"].index_copy_(0, index, second.mul_(beta2**ahead))
        state["taken"].index_fill_(0, index, state["step"].item())

    def _moves(self, second: Tensor, taken: Tensor, ahead: Tensor) -> Tensor:
        """The sum of ``ahead`` (B, 1) moves without their factor -lr * m, (B, C).

        second: v (B, C). taken: s (B, 1).
        """
        (beta1, beta2), (power1, power2) = self.defaults["betas"], self.powers
        scale = (power2 - beta2**taken).sqrt_()
        weight = (scale / (power1 - beta1**taken)).mul_(self.later <= ahead)
        epsilon = scale.mul_(self.defaults["eps"]).to(second.dtype).unsqueeze(2)
        inverse = (second.sqrt().unsqueeze(1) + epsilon).reciprocal_()
        return torch.bmm(weight.to(second.dtype).unsqueeze(1), inverse).squeeze(1)

    def _step(self, parameter: Tensor, group: Group, gradient: Tensor) -> None:
        """The step of the rows that have a gradient; the others take theirs later."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["taken"] = torch.zeros((len(parameter), 1))  # steps, of each row
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        steps = state["step"].item()
        (index,), change = gradient._indices(), gradient._values()
        beta1, beta2 = self.defaults["betas"]
        first = state["exp_avg"].index_select(0, index).lerp_(change, 1 - beta1)
        second = state["exp_avg_sq"].index_select(0, index)
        second.mul_(beta2).addcmul_(change, change, value=1 - beta2)
        denominator = second.sqrt().div_(math.sqrt(1 - beta2**steps)).add_(self.defaults["eps"])
        rows = parameter.index_select(0, index)
        rows.addcdiv_(first, denominator, value=-group["lr"] / (1 - beta1**steps))
        parameter.index_copy_(0, index, rows)
        state["exp_avg"].index_copy_(0, index, first)
        state["exp_avg_sq"].index_copy_(0, index, second)
        state["taken"].index_fill_(0, index, steps)


def adam_of(
    loss: Loss, groups: Sequence[Group], *, batch_size: int, device: torch.device, **options: Any
) -> torch.optim.Optimizer:
    """Adam for ``groups``, among which are those of ``loss``.

    Row by row where that is cheaper: on a processor, with more examples than `SETTLED` batches
    hold. On a GPU one kernel moves all rows. Weight decay moves rows that are not read, so with it
    all of them take each step.
    """
    by_example = [{**options, **group} for group in groups if group.get("by_example")]
    decays = any(group.get("weight_decay") for group in by_example)
    if not by_example or decays or device.type != "cpu":
        return adam(groups, **options)
    if loss.num_examples <= SETTLED * batch_size:
        return adam(groups, **options)
    optimizer = RowAdam(groups, **options)
    loss.sparse_gradients = True

    def catch_up(_loss: torch.nn.Module, _given: Any, named: dict[str, Any]) -> None:
        optimizer.catch_up(named["index"])

    loss.register_forward_pre_hook(catch_up, with_kwargs=True)
    return optimizer
