"""AN-LS: assume negative, with label smoothing.

    s = 1      : (1 - smoothing) * -log p       + smoothing * -log(1 - p)
    s = 0 or -1: (1 - smoothing) * -log(1 - p) + smoothing * -log p

An observed negative (-1) counts like an unobserved entry.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021, whose smoothing
of 0.1 is not divided by two. The released code adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import check_real, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class SmoothedAssumeNegative(GeneralizedLoss):
    """Assume negative with smoothed labels.

    smoothing  0 to 1: the weight of the opposite label
    """

    mapping = Mapping(
        k=r"$\varepsilon$",
        v="$1$",
        l1=r"$-(1-\varepsilon)\log p-\varepsilon\log(1-p)$",
        l2=r"$-\log p$",
        l3=r"$-\log(1-p)$",
    )
    negatives_as_unobserved = True  # known labels are smoothed too

    def __init__(self, *, smoothing: float = 0.1, **sizes: int) -> None:
        super().__init__(**sizes)
        self.smoothing = check_real("smoothing", smoothing, at_least=0.0, at_most=1.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if_positive, if_negative = positive_cost(logits), negative_cost(logits)
        smoothed = (1.0 - self.smoothing) * if_positive + self.smoothing * if_negative
        return Terms(k=self.smoothing, v=1.0, l1=smoothed, l2=if_positive, l3=if_negative)
