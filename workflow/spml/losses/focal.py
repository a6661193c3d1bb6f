"""Focal loss, with every unobserved entry taken as a negative.

    s = 1      : (1 - p)^gamma * -log p
    s = 0 or -1: p^gamma * -log(1 - p)

Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, without its class balance.
The code that the papers' baselines come from (ASL with both gammas 2 and no margin) takes the sum
over the batch and no gradient through the weights; here it is the mean, and the gradient through
the weights is the choice `detach_weight`.
"""

import torch
from torch import Tensor

from .base import check_flag, check_real, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class Focal(GeneralizedLoss):
    """Focal loss.

    gamma          at least 0; 0 gives `an`
    detach_weight  whether the weights are constants to the gradient
    """

    mapping = Mapping(
        k="$0$",
        v=r"$p^\gamma$",
        l1=r"$-(1-p)^\gamma\log p$",
        l2="",
        l3=r"$-\log(1-p)$",
    )
    negatives_as_unobserved = True  # of which the paper knows all

    def __init__(self, *, gamma: float = 2, detach_weight: bool = True, **sizes: int) -> None:
        super().__init__(**sizes)
        self.gamma = check_real("gamma", gamma, at_least=0.0)
        self.detach_weight = check_flag("detach_weight", detach_weight)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if_positive, if_negative = positive_cost(logits), negative_cost(logits)
        return Terms(
            k=0.0,
            v=self._power_of_probability(if_positive),
            l1=if_positive * self._power_of_probability(if_negative),
            l2=0.0,
            l3=if_negative,
        )

    def _power_of_probability(self, cost: Tensor) -> Tensor:
        """x^gamma for cost = -log x."""
        if self.detach_weight:
            cost = cost.detach()
        return torch.exp(-self.gamma * cost)
