"""PR, pairwise ranking: each observed positive above each unobserved class of its image.

    s = 1 : U * (1 - p) + sum over the image's unobserved classes j of p_j
    s = -1: -log(1 - p)
    s = 0 : 0

with U the number of unobserved classes of the image. It is the hinge max(0, 1 - p + p_j) summed
over j, which never reaches its bound because p lies between 0 and 1; so the loss is linear in p.
Here an unobserved class costs p times the number of the image's observed positives, which is the
same sum.

Source: `loss_pr` in the released code of Cole et al., Multi-Label Learning from Single Positive
Labels, CVPR 2021, which loops over pairs and knows no observed negatives; no published number of it
was found.
"""

import torch
from torch import Tensor

from .framework import GeneralizedLoss, Mapping, Terms


class PairwiseRanking(GeneralizedLoss):
    """Pairwise ranking; no hyperparameters."""

    mapping = Mapping(
        k="$0$",
        v="$P$, observed positives of the image",
        l1="$U(1-p)$, $U$ unobserved of the image",
        l2="",
        l3="$p$",
    )

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        positives = (observed == 1).sum(dim=1, keepdim=True).to(logits.dtype)
        unobserved = (observed == 0).sum(dim=1, keepdim=True).to(logits.dtype)
        return Terms(
            k=0.0,
            v=positives,
            l1=unobserved * torch.sigmoid(-logits),
            l2=0.0,
            l3=torch.sigmoid(logits),
        )
