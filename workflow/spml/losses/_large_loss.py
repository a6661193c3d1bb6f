"""What the three Large Loss methods share: which unobserved entries of a batch have a large loss.

With l the assume-negative loss of an unobserved entry and a count K, an entry is large if l >= R,
the K-th largest l of the batch. All entries that tie at R are large. Only entries with s = 0 can
be; observed negatives (-1) cost -log(1 - p) like them and stay as they are.

    LL-R, LL-Ct: K = ceil(B * C * (t - 1) * delta_rel / 100)
    LL-Cp:       K = ceil(B * C * delta_rel / 100) from the second epoch on, 0 in the first

capped at B * C, with B the size of the actual batch. K counts against all entries of the batch,
not against its unobserved ones.

Source: Kim et al., Large Loss Matters in Weakly Supervised Multi-Label Classification, CVPR 2022,
arXiv 2206.03740. The released code adds up its rate in floating point, which can overshoot K by one
(9 instead of 8 for B * C = 320, delta_rel 0.5, t = 6); here the count is exact. It could also
modify observed positives where R underflows to 0.
"""

import math
from fractions import Fraction

import torch
from torch import Tensor

from .base import check_real
from .framework import GeneralizedLoss


class LargeLoss(GeneralizedLoss):
    """A loss that treats unobserved entries of large loss in its own way.

    delta_rel  at least 0, in percent
    """

    follows_epochs = True
    negatives_as_unobserved = True  # which cost the same and are never large

    modified: Tensor

    def __init__(self, *, delta_rel: float, **sizes: int) -> None:
        super().__init__(**sizes)
        check_real("delta_rel", delta_rel, at_least=0.0)
        # The decimal number that was written, not the binary one next to it.
        self.rate = Fraction(str(delta_rel)) / 100

    def fraction(self, epoch: int) -> Fraction:
        """The part of a batch that is large in this epoch, at most 1."""
        return min((epoch - 1) * self.rate, Fraction(1))

    def count(self, entries: int, epoch: int) -> int:
        """K for a batch of that many entries."""
        return math.ceil(entries * self.fraction(epoch))

    def schedule(self, epoch: int) -> dict[str, float]:
        return {"fraction": float(self.fraction(epoch))}

    def large(self, logits: Tensor, observed: Tensor, epoch: int) -> Tensor:
        """The (B, C) bool mask of the large unobserved entries.

        Compares logits, since the loss grows with them: equal logits then tie even where rounding
        gives them different losses, and unequal ones do not where it gives them the same.
        """
        unobserved = observed == 0
        count = self.count(logits.numel(), epoch)
        if count == 0:
            return torch.zeros_like(unobserved)
        candidates = logits.detach().masked_fill(~unobserved, -math.inf)
        largest = candidates.flatten().topk(count, sorted=False).values
        return unobserved & (candidates >= largest.min())
