"""LL-R, large loss rejection: assume negative without the unobserved entries of large loss.

    s = 1      : -log p
    s = 0 or -1: -log(1 - p), or 0 where the entry is unobserved and large

More entries are rejected from epoch to epoch, none in the first. Rejected entries count in the
denominator of the mean. Which entries are large, and where the released code differs: see
`spml.losses._large_loss`.

Source: Kim et al., Large Loss Matters in Weakly Supervised Multi-Label Classification, CVPR 2022.
"""

from torch import Tensor

from ._large_loss import LargeLoss
from .base import negative_cost, positive_cost
from .framework import Mapping, Terms


class LargeLossRejection(LargeLoss):
    """Large loss rejection.

    delta_rel  at least 0: by how many percent of the entries of a batch the rejected ones grow
               from epoch to epoch
    """

    mapping = Mapping(
        k="$0$",
        v=r"$\mathbf{1}[L_3<R(t)]$",
        l1=r"$-\log p$",
        l2="",
        l3=r"$-\log(1-p)$",
    )

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if_negative = negative_cost(logits)
        self.modified = self.large(logits, observed, epoch)
        return Terms(k=0.0, v=~self.modified, l1=positive_cost(logits), l2=0.0, l3=if_negative)
