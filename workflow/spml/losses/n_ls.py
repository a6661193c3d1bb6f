"""N-LS: assume negative, with the labels of the assumed negatives alone smoothed.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : (1 - smoothing) * -log(1 - p) + smoothing * -log p

Source: a baseline of Zhou et al., Acknowledging the Unknown for Multi-Label Learning with Single
Positive Labels, ECCV 2022, whose code does not include it.
"""

from torch import Tensor

from .base import check_real, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class NegativeLabelSmoothing(GeneralizedLoss):
    """Assume negative with smoothed negatives.

    smoothing  0 to 1: the weight of the opposite label
    """

    mapping = Mapping(
        k=r"$\varepsilon$", v="$1$", l1=r"$-\log p$", l2=r"$-\log p$", l3=r"$-\log(1-p)$"
    )

    def __init__(self, *, smoothing: float = 0.1, **sizes: int) -> None:
        super().__init__(**sizes)
        self.smoothing = check_real("smoothing", smoothing, at_least=0.0, at_most=1.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if_positive, if_negative = positive_cost(logits), negative_cost(logits)
        return Terms(k=self.smoothing, v=1.0, l1=if_positive, l2=if_positive, l3=if_negative)
