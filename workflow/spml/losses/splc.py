"""SPLC, self-paced loss correction, with the focal margin loss.

    s = 1                   : (1 - p_m)^gamma * -log p_m     with p_m = sigmoid(z - margin)
    s = 0, t >= change_epoch
           and p > tau      : (1 - p)^gamma * -log p
    every other entry       : p^gamma * -log(1 - p)

From the epoch `change_epoch` on, counted from 1, an unobserved entry that the model is sure of
counts as a positive, for this step only and without the margin. The gradient flows through the
weights. An observed negative (-1) is never corrected.

Source: Zhang et al., Simple and Robust Loss Design for Multi-Label Learning with Missing Labels,
arXiv 2112.07368. The released code counts epochs from 0 (its change_epoch 1 is 2 here) and takes
the sum over the batch; here it is the mean.
"""

import torch
from torch import Tensor

from .base import Loss, check_integer, check_real, focal_cost
from .framework import Mapping


class SelfPacedLossCorrection(Loss):
    """Self-paced loss correction.

    tau           0 to 1: the probability above which an unobserved entry is corrected
    margin        at least 0: subtracted from the logit of an observed positive
    gamma         at least 0: the focal exponent
    change_epoch  at least 1: the first epoch that corrects
    """

    mapping = Mapping(
        k=r"$\mathbf{1}[p>\tau]$",
        v="$1$",
        l1=r"$-(1-p_m)^\gamma\log p_m,\ p_m=\sigma(z-m)$",
        l2=r"$-(1-p)^\gamma\log p$",
        l3=r"$-p^\gamma\log(1-p)$",
    )
    follows_epochs = True

    def __init__(
        self,
        *,
        tau: float = 0.6,
        margin: float = 1.0,
        gamma: float = 2.0,
        change_epoch: int = 2,
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        self.tau = check_real("tau", tau, at_least=0.0, at_most=1.0)
        self.margin = check_real("margin", margin, at_least=0.0)
        self.gamma = check_real("gamma", gamma, at_least=0.0)
        self.change_epoch = check_integer("change_epoch", change_epoch, at_least=1)

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        positive = observed == 1
        if epoch >= self.change_epoch:
            corrected = (observed == 0) & (torch.sigmoid(logits.detach()) > self.tau)
        else:
            corrected = torch.zeros_like(positive)
        self.modified = corrected
        # Both kinds of entry are the same function of the logit of what the entry counts as, so
        # that one evaluation does for L1, L2 and L3.
        with_margin = torch.where(positive, logits - self.margin, logits)
        signed = torch.where(positive | corrected, with_margin, -with_margin)
        return focal_cost(signed, self.gamma).mean()
