"""EM + APL: entropy maximisation, then asymmetric pseudo-labels.

    s = 1                          : -log p
    s = -1                         : -log(1 - p)
    pseudo-labelled, soft label r  : beta * ( -r log p - (1 - r) log(1 - p) )
    every other entry              : -alpha * H(p)     with H(p) = -p log p - (1 - p) log(1 - p)

At the end of every epoch t >= warmup_epochs, of the entries of class c that are neither observed
nor pseudo-labelled yet, those

    floor( negative_fraction * U_c / (T - warmup_epochs) )

with the lowest p become pseudo-labelled negatives, for good, with r = p at that moment. U_c is the
number of entries of class c that are not observed. No positive pseudo-labels are made.
Ties go to the lower row. Pseudo-labels made after the last epoch are never trained on, so that a
caller may leave out that call.

Source: Zhou et al., Acknowledging the Unknown for Multi-Label Learning with Single Positive Labels,
ECCV 2022. The released code ends training at the first epoch that is no new best, often before any
pseudo-label is made; keeps an entry with r = 0 unlabelled; and adds 1e-5 inside the logarithm. Here
stopping is not the loss's business, r is at least the smallest normal number, and the logarithm is
exact.
"""

import math
from fractions import Fraction

import torch
from torch import Tensor

from .base import Predict, check_integer, check_real, entropy, negative_cost, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class AsymmetricPseudoLabelling(GeneralizedLoss):
    """Entropy maximisation with asymmetric pseudo-labels.

    alpha              at least 0: the weight of the entropy
    beta               at least 0: the weight of the pseudo-labelled entries
    warmup_epochs      1 to T - 1: the first epoch at whose end pseudo-labels are made
    negative_fraction  0 to 1: which part of U_c is pseudo-labelled by the end

    Buffer `pseudo_negative` (num_examples, C) float: r, or 0 where there is no pseudo-label.
    Buffer `candidate` (num_examples, C) bool: the entries that were seen in training and are not
    observed; a row that was never seen gets no pseudo-labels.
    """

    mapping = Mapping(
        k="$r$ if pseudo-labelled, else $p$",
        v=r"$\beta$ if pseudo-labelled, else $-\alpha$",
        l1=r"$-\log p$",
        l2=r"$-\log p$",
        l3=r"$-\log(1-p)$",
    )
    remembers_examples = True

    pseudo_negative: Tensor
    candidate: Tensor

    def __init__(
        self,
        *,
        alpha: float,
        beta: float,
        warmup_epochs: int,
        negative_fraction: float = 0.9,
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        self.alpha = check_real("alpha", alpha, at_least=0.0)
        self.beta = check_real("beta", beta, at_least=0.0)
        self.warmup_epochs = check_integer(
            "warmup_epochs", warmup_epochs, at_least=1, at_most=self.total_epochs - 1
        )
        check_real("negative_fraction", negative_fraction, at_least=0.0, at_most=1.0)
        # The decimal number that was written, not the binary one next to it.
        self.negative_fraction = Fraction(str(negative_fraction))
        self.register_buffer("pseudo_negative", torch.zeros(self.num_examples, self.num_classes))
        seen = torch.zeros(self.num_examples, self.num_classes, dtype=torch.bool)
        self.register_buffer("candidate", seen)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if self.training:
            self.candidate[index] = observed == 0
        # k L2 + (1 - k) L3 is the entropy, computed in one piece because that is more exact.
        unsure = -self.alpha * entropy(logits)
        soft_label = self.pseudo_negative[index].to(logits.dtype)
        # -r log p - (1 - r) log(1 - p) = -log(1 - p) - r z
        pseudo_labelled = torch.addcmul(negative_cost(logits), soft_label, logits, value=-1.0)
        l3 = torch.where(soft_label > 0, self.beta * pseudo_labelled, unsure)
        return Terms(k=0.0, v=1.0, l1=positive_cost(logits), l2=0.0, l3=l3)

    @torch.no_grad()
    def after_epoch(self, epoch: int, predict: Predict) -> None:
        """Pseudo-label the entries with the lowest p of this epoch's predictions, class by class.

        Reads `predict()` only in epochs that make pseudo-labels.
        """
        self._check_epoch(epoch)
        if epoch < self.warmup_epochs:
            return
        labels = self.pseudo_negative
        # Collected first, so that p does not depend on how the pass was cut into batches. A row
        # without a prediction stays at infinity.
        collected = torch.full_like(labels, math.inf)
        for logits, index in predict():
            collected[index] = logits.to(labels.dtype)
        p = torch.sigmoid(collected)
        open_entries = self.candidate & (labels == 0) & (collected < math.inf)
        lowest_first = p.masked_fill(~open_entries, 2.0).argsort(dim=0, stable=True)
        ranks = torch.arange(self.num_examples, device=labels.device).unsqueeze(1)
        chosen = torch.zeros_like(open_entries)
        chosen.scatter_(0, lowest_first, ranks < self.counts())
        chosen &= open_entries
        smallest = torch.finfo(labels.dtype).tiny
        labels.copy_(torch.where(chosen, p.clamp(min=smallest), labels))

    def counts(self) -> Tensor:
        """How many entries of each class (C,) one step pseudo-labels, in exact arithmetic."""
        part = self.negative_fraction / (self.total_epochs - self.warmup_epochs)
        return self.candidate.sum(dim=0) * part.numerator // part.denominator
