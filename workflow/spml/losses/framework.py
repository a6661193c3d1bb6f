"""The generalized loss of GR, of which most losses are special cases.

An observed positive costs L1(p), an observed negative (-1) the log loss -log(1 - p), since nothing
about it is to be guessed. An unobserved entry costs

    v * [ k * L2(p) + (1 - k) * L3(p) ]

where k estimates the probability that the entry is in truth positive, L2 is the loss if it is,
L3 the loss if it is not, and v weights the entry. The loss of a batch is the mean over its B x C
entries. A loss whose own paper says what a negative costs says so in `negatives_as_unobserved`.

Source: Chen et al., Boosting Single Positive Multi-label Classification with Generalized Robust
Loss, IJCAI 2024, arXiv 2405.03501.
"""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from .base import Loss, negative_cost


class Terms(NamedTuple):
    """The five parts of the generalized loss for one batch; tensors are (B, C).

    k          a float, a tensor of probabilities, or a bool mask. With the floats 0 and 1, L2
               resp. L3 is not used and may be any number.
    v          a float, a tensor, or a bool mask that keeps an entry where it is True
    l1, l2, l3 entry losses; finite everywhere, also where they are not used, since the gradient
               of an unused infinity would be NaN
    """

    k: Tensor | float
    v: Tensor | float
    l1: Tensor
    l2: Tensor | float
    l3: Tensor | float


class Mapping(NamedTuple):
    """The same five parts as formulas for a table: LaTeX between dollar signs, without a pipe."""

    k: str
    v: str
    l1: str
    l2: str
    l3: str


def expected_loss(k: Tensor | float, l2: Tensor | float, l3: Tensor | float) -> Tensor | float:
    """k * L2 + (1 - k) * L3: the loss of an entry if its label is positive with probability k."""
    if not isinstance(k, Tensor):
        if k == 0.0:
            return l3
        if k == 1.0:
            return l2
        return k * l2 + (1.0 - k) * l3
    if not isinstance(l2, Tensor) or not isinstance(l3, Tensor):
        raise TypeError("l2 and l3 must be tensors where k is one")
    if k.dtype == torch.bool:
        return torch.where(k, l2, l3)
    return torch.lerp(l3, l2, k)


def _may_have_negatives(observed: Tensor) -> bool:
    """False where no entry is -1; on a GPU nobody looks, since the host would have to wait."""
    return observed.device.type != "cpu" or observed.min().item() < 0


class GeneralizedLoss(Loss):
    """A loss that is stated as `Terms`; `mapping` states the same as formulas."""

    mapping: ClassVar[Mapping]
    negatives_as_unobserved: ClassVar[bool] = False
    """Whether the terms hold for observed negatives too, rather than -log(1 - p)."""

    @abstractmethod
    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        """k, v, L1, L2 and L3 of a batch."""

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        """The mean over B x C of L1, -log(1 - p) and v * [k L2 + (1 - k) L3]."""
        k, v, l1, l2, l3 = self.terms(logits, observed, index, epoch)
        otherwise = expected_loss(k, l2, l3)
        # What the gradient does not need is freed before the next (B, C) tensor is made.
        del k, l2, l3
        if isinstance(v, Tensor) or v != 1.0:
            otherwise = v * otherwise
        if not self.negatives_as_unobserved and _may_have_negatives(observed):
            otherwise = torch.where(observed == -1, negative_cost(logits), otherwise)
        # The gradient of a sum is an expanded scalar, that of a mean a further (B, C) tensor.
        return torch.where(observed == 1, l1, otherwise).sum() / logits.numel()
