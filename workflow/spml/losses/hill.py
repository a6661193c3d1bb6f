"""Hill: a loss that levels off where an unobserved entry is probably a missing positive.

    s = 1 : (1 - p_m)^gamma * -log p_m     with p_m = sigmoid(z - margin)
    s = -1: -log(1 - p)
    s = 0 : (lam - p) * p^2

The gradient flows through both weights.

Source: Zhang et al., Simple and Robust Loss Design for Multi-Label Learning with Missing Labels,
arXiv 2112.07368. The released code takes the sum over the batch; here it is the mean, and -log p_m
stays finite where p_m underflows.
"""

import torch
from torch import Tensor

from .base import check_real, focal_cost
from .framework import GeneralizedLoss, Mapping, Terms


class Hill(GeneralizedLoss):
    """Hill.

    lam     at least 0 (1.5: flat at p = 1; below it, the loss of an unobserved entry turns down)
    margin  at least 0: subtracted from the logit of an observed positive
    gamma   at least 0: the focal exponent of an observed positive
    """

    mapping = Mapping(
        k="$0$",
        v=r"$\lambda-p$",
        l1=r"$-(1-p_m)^\gamma\log p_m,\ p_m=\sigma(z-m)$",
        l2="",
        l3="$p^2$",
    )

    def __init__(
        self, *, lam: float = 1.5, margin: float = 1.0, gamma: float = 2.0, **sizes: int
    ) -> None:
        super().__init__(**sizes)
        self.lam = check_real("lam", lam, at_least=0.0)
        self.margin = check_real("margin", margin, at_least=0.0)
        self.gamma = check_real("gamma", gamma, at_least=0.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        p = torch.sigmoid(logits)
        return Terms(
            k=0.0,
            v=self.lam - p,
            l1=focal_cost(logits - self.margin, self.gamma),
            l2=0.0,
            l3=p.square(),
        )
