"""The `Hill` of the GR code: the Hill loss without margin and without focal weight.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : (1.5 - p) * p^2

Source: the released code of Chen et al., Boosting Single Positive Multi-label Classification with
Generalized Robust Loss, IJCAI 2024. It is not the Hill loss of Zhang et al., which is `hill` here.
The released code adds 1e-7 inside the logarithm; here it is exact.
"""

import torch
from torch import Tensor

from .base import positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class PlainHill(GeneralizedLoss):
    """Hill without margin and focal weight; no hyperparameters."""

    mapping = Mapping(k="$0$", v="$1.5-p$", l1=r"$-\log p$", l2="", l3="$p^2$")

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        p = torch.sigmoid(logits)
        return Terms(k=0.0, v=1.5 - p, l1=positive_cost(logits), l2=0.0, l3=p.square())
