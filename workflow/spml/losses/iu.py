"""IU, ignore unobserved: binary cross entropy on the annotated entries alone.

    s =  1: -log p
    s = -1: -log(1 - p)
    s =  0: 0

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class IgnoreUnobserved(GeneralizedLoss):
    """The annotated entries alone; no hyperparameters."""

    mapping = Mapping(k="$0$", v=r"$\mathbf{1}[s=-1]$", l1=r"$-\log p$", l2="", l3=r"$-\log(1-p)$")
    negatives_as_unobserved = True  # their weight is in v

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(
            k=0.0,
            v=observed == -1,
            l1=positive_cost(logits),
            l2=0.0,
            l3=negative_cost(logits),
        )
