"""AN, assume negative: binary cross entropy with every unobserved entry taken as a negative.

    s = 1:       -log p
    s = 0 or -1: -log(1 - p)

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class AssumeNegative(GeneralizedLoss):
    """Assume negative; no hyperparameters."""

    mapping = Mapping(k="$0$", v="$1$", l1=r"$-\log p$", l2="", l3=r"$-\log(1-p)$")
    negatives_as_unobserved = True  # which cost the same

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(k=0.0, v=1.0, l1=positive_cost(logits), l2=0.0, l3=negative_cost(logits))
