"""The `EPR` of the GR code: observed positives alone, without EPR's regulariser.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : 0

Source: the released code of Chen et al., Boosting Single Positive Multi-label Classification with
Generalized Robust Loss, IJCAI 2024. It is not the EPR of Cole et al., which is `epr` here. The
released code adds 1e-7 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class ObservedPositivesOnly(GeneralizedLoss):
    """Observed positives alone; no hyperparameters."""

    mapping = Mapping(k="$0$", v="$1$", l1=r"$-\log p$", l2="", l3="$0$")

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(k=0.0, v=1.0, l1=positive_cost(logits), l2=0.0, l3=0.0)
