"""WAN, weak assume negative: assume negative with the assumed negatives weighted by 1 / (C - 1).

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : -log(1 - p) / (C - 1)

so that the assumed negatives of an image weigh together as much as its one observed positive.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class WeakAssumeNegative(GeneralizedLoss):
    """Weak assume negative; no hyperparameters. ValueError for one class, with no weight then."""

    mapping = Mapping(k="$0$", v=r"$\frac{1}{C-1}$", l1=r"$-\log p$", l2="", l3=r"$-\log(1-p)$")

    def __init__(self, **sizes: int) -> None:
        super().__init__(**sizes)
        if self.num_classes < 2:
            raise ValueError(
                f"num_classes: must be at least 2 for the weight 1/(C-1), not {self.num_classes}"
            )

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(
            k=0.0,
            v=1.0 / (self.num_classes - 1),
            l1=positive_cost(logits),
            l2=0.0,
            l3=negative_cost(logits),
        )
