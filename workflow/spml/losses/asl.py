"""ASL, asymmetric loss, with every unobserved entry taken as a negative.

    s = 1      : (1 - p)^gamma_pos * -log p
    s = 0 or -1: p_m^gamma_neg * -log(1 - p_m)     with p_m = max(p - margin, 0)

Source: Ridnik et al., Asymmetric Loss for Multi-Label Classification, ICCV 2021. Defaults are
those of its training script; the class there has gamma_pos 1. The released code takes the sum over
the batch and bounds the argument of the logarithm at 1e-8; here it is the mean and exact. Its plain
class takes no gradient through the weights by default, its optimised class does; here that is the
choice `detach_weight`.
"""

import torch
from torch import Tensor

from .base import (
    check_flag,
    check_real,
    focal_cost,
    negative_cost,
    positive_cost,
    shifted_probability,
)
from .framework import GeneralizedLoss, Mapping, Terms


class AsymmetricLoss(GeneralizedLoss):
    """Asymmetric loss.

    gamma_neg      at least 0: focal exponent of the assumed negatives
    gamma_pos      at least 0: focal exponent of the observed positives
    margin         0 to 1: the probability below which an assumed negative costs nothing
    detach_weight  whether the weights are constants to the gradient
    """

    mapping = Mapping(
        k="$0$",
        v=r"$p_m^{\gamma_-}$",
        l1=r"$-(1-p)^{\gamma_+}\log p$",
        l2="",
        l3=r"$-\log(1-p_m),\ p_m=\max(p-m,0)$",
    )
    negatives_as_unobserved = True  # of which the paper knows all

    def __init__(
        self,
        *,
        gamma_neg: float = 4,
        gamma_pos: float = 0,
        margin: float = 0.05,
        detach_weight: bool = True,
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        self.gamma_neg = check_real("gamma_neg", gamma_neg, at_least=0.0)
        self.gamma_pos = check_real("gamma_pos", gamma_pos, at_least=0.0)
        self.margin = check_real("margin", margin, at_least=0.0, at_most=1.0)
        self.detach_weight = check_flag("detach_weight", detach_weight)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if self.detach_weight:
            l1 = positive_cost(logits)
            if self.gamma_pos > 0.0:
                l1 = l1 * torch.exp(-self.gamma_pos * negative_cost(logits.detach()))
        else:
            l1 = focal_cost(logits, self.gamma_pos)
        v, l3 = self._without_margin(logits) if self.margin == 0.0 else self._with_margin(logits)
        return Terms(k=0.0, v=v, l1=l1, l2=0.0, l3=l3)

    def _without_margin(self, logits: Tensor) -> tuple[Tensor | float, Tensor]:
        if not self.detach_weight:
            return 1.0, focal_cost(-logits, self.gamma_neg)
        weight = torch.exp(-self.gamma_neg * positive_cost(logits.detach()))
        return weight, negative_cost(logits)

    def _with_margin(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        shifted = shifted_probability(logits, self.margin)
        weight = (shifted.detach() if self.detach_weight else shifted) ** self.gamma_neg
        return weight, -torch.log1p(-shifted)
