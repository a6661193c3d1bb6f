"""Partial-BCE: binary cross entropy on the annotated entries, weighted by how many an image has.

    s =  1: g(f) * -log p
    s = -1: g(f) * -log(1 - p)
    s =  0: 0

averaged over all B x C entries, where f is the part of the image's C labels that is annotated and

    g(f) = alpha * f^gamma + beta

so that with the defaults g(0.1) = 5.005, g(1) = 1, and full labels give plain BCE.

Source: Durand et al., Learning a Deep ConvNet for Multi-Label Classification with Partial Labels,
CVPR 2019. No official code was found, and formula and constants are those of two independent
re-implementations, which differ: this is the one that divides by C; `partial_bce_global` is the
other.
"""

import torch
from torch import Tensor

from .base import check_real, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class PartialCrossEntropy(GeneralizedLoss):
    """The annotated entries, weighted by image.

    alpha, beta  finite
    gamma        at least 0
    """

    mapping = Mapping(
        k="$0$",
        v=r"$g(f)\,\mathbf{1}[s=-1]$, $f$ known part of the image",
        l1=r"$-g(f)\log p$",
        l2="",
        l3=r"$-\log(1-p)$",
    )
    negatives_as_unobserved = True  # their weight is in v

    def __init__(
        self, *, alpha: float = -4.45, beta: float = 5.45, gamma: float = 1, **sizes: int
    ) -> None:
        super().__init__(**sizes)
        self.alpha = check_real("alpha", alpha)
        self.beta = check_real("beta", beta)
        self.gamma = check_real("gamma", gamma, at_least=0.0)

    def weight(self, known: Tensor) -> Tensor:
        """What each annotated entry of an image counts (B, 1), of its number of them (B, 1)."""
        return self.alpha * (known / self.num_classes) ** self.gamma + self.beta

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        known = (observed != 0).sum(dim=1, keepdim=True).to(logits.dtype)
        weight = self.weight(known)
        return Terms(
            k=0.0,
            v=torch.where(observed == -1, weight, 0.0),
            l1=positive_cost(logits) * weight,
            l2=0.0,
            l3=negative_cost(logits),
        )
