"""Binary cross entropy on full labels: the upper bound that both papers report.

    s =  1: -log p
    s = -1: -log(1 - p)

`observed` is here the full truth, 1 and -1. A 0 counts like -1.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class BinaryCrossEntropy(GeneralizedLoss):
    """Binary cross entropy; no hyperparameters."""

    mapping = Mapping(k="$0$", v="$1$", l1=r"$-\log p$", l2="", l3=r"$-\log(1-p)$")
    negatives_as_unobserved = True  # which cost the same

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(k=0.0, v=1.0, l1=positive_cost(logits), l2=0.0, l3=negative_cost(logits))
