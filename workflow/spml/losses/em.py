"""EM, entropy maximisation: the model is asked to be unsure about what was not observed.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : -alpha * H(p)     with H(p) = -p log p - (1 - p) log(1 - p)

Source: Zhou et al., Acknowledging the Unknown for Multi-Label Learning with Single Positive Labels,
ECCV 2022. The released code adds 1e-5 inside the logarithm; here it is exact.
"""

from torch import Tensor

from .base import check_real, entropy, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class EntropyMaximisation(GeneralizedLoss):
    """Entropy maximisation.

    alpha  at least 0: the weight of the entropy; 0 ignores unobserved entries
    """

    mapping = Mapping(k="$p$", v=r"$-\alpha$", l1=r"$-\log p$", l2=r"$-\log p$", l3=r"$-\log(1-p)$")

    def __init__(self, *, alpha: float, **sizes: int) -> None:
        super().__init__(**sizes)
        self.alpha = check_real("alpha", alpha, at_least=0.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        # k L2 + (1 - k) L3 is the entropy, computed in one piece because that is more exact.
        return Terms(k=0.0, v=-self.alpha, l1=positive_cost(logits), l2=0.0, l3=entropy(logits))
