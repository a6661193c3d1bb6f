"""BCE on known labels: ignore unobserved, averaged over the annotated entries alone.

    s =  1: -log p
    s = -1: -log(1 - p)
    s =  0: 0

averaged over the annotated entries of the batch, where `iu` averages over all B x C. Without any
annotated entry the loss is 0.

Source: the loss on known labels of the baselines of SARB and its relatives (github.com/HCPLab-SYSU/
HCP-MLR-PL) and "BN-BCE" of Saliency Regularization for Self-Training with Partial Annotations (ICCV
2023), which finds it 9 points of mAP above BCE averaged over B x C where a tenth of COCO's labels
is known (70.7 against 61.7).
"""

from torch import Tensor

from .base import negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class KnownLabels(GeneralizedLoss):
    """The annotated entries alone, averaged over their number; no hyperparameters."""

    mapping = Mapping(
        k="$0$",
        v=r"$\frac{BC}{n}\mathbf{1}[s=-1]$, $n$ known of the batch",
        l1=r"$-\frac{BC}{n}\log p$",
        l2="",
        l3=r"$-\log(1-p)$",
    )
    negatives_as_unobserved = True  # their weight is in v

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        known = (observed != 0).sum().clamp(min=1)
        weight = logits.numel() / known.to(logits.dtype)
        return Terms(
            k=0.0,
            v=(observed == -1) * weight,
            l1=positive_cost(logits) * weight,
            l2=0.0,
            l3=negative_cost(logits),
        )
