"""DW, down-weighting: assume negative with the assumed negatives weighted by a constant.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : weight * -log(1 - p)

Source: a baseline of Zhou et al., Acknowledging the Unknown for Multi-Label Learning with Single
Positive Labels, ECCV 2022, whose code does not include it.
"""

from torch import Tensor

from .base import check_real, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class DownWeighting(GeneralizedLoss):
    """Assume negative with weighted negatives.

    weight  at least 0; 1 gives `an`, 1 / (C - 1) gives `wan`
    """

    mapping = Mapping(k="$0$", v="$w$", l1=r"$-\log p$", l2="", l3=r"$-\log(1-p)$")

    def __init__(self, *, weight: float, **sizes: int) -> None:
        super().__init__(**sizes)
        self.weight = check_real("weight", weight, at_least=0.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(
            k=0.0, v=self.weight, l1=positive_cost(logits), l2=0.0, l3=negative_cost(logits)
        )
