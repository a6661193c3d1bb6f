"""LL-Ct, large loss correction, temporary: unobserved entries of large loss count as positives.

    s = 1      : -log p
    s = 0 or -1: -log(1 - p), or -log p where the entry is unobserved and large

for this step only. More entries are corrected from epoch to epoch, none in the first. Which entries
are large, and where the released code differs: see `spml.losses._large_loss`.

Source: Kim et al., Large Loss Matters in Weakly Supervised Multi-Label Classification, CVPR 2022.
"""

from torch import Tensor

from ._large_loss import LargeLoss
from .base import negative_cost, positive_cost
from .framework import Mapping, Terms


class LargeLossCorrection(LargeLoss):
    """Large loss correction, temporary.

    delta_rel  at least 0: by how many percent of the entries of a batch the corrected ones grow
               from epoch to epoch
    """

    mapping = Mapping(
        k=r"$\mathbf{1}[L_3\geq R(t)]$",
        v="$1$",
        l1=r"$-\log p$",
        l2=r"$-\log p$",
        l3=r"$-\log(1-p)$",
    )

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        self.modified = self.large(logits, observed, epoch)
        if_positive, if_negative = positive_cost(logits), negative_cost(logits)
        return Terms(k=self.modified, v=1.0, l1=if_positive, l2=if_positive, l3=if_negative)
