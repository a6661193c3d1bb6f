"""P-ASL, partial asymmetric loss: focal exponents and weights of their own for unannotated entries.

    s = 1 : w * alpha_pos * (1 - p)^gamma_pos * -log p
    s = -1: w * alpha_neg * p_m^gamma_neg * -log(1 - p_m)
    s = 0 : w * alpha_unannotated * p_m^gamma_unannotated * -log(1 - p_m)     p_m = max(p - clip, 0)

Focal weights are constants to the gradient. w depends on the mode:

    negative                  1: unannotated entries count as negatives
    ignore                    0 where s = 0, otherwise 1
    ignore_normalize_classes  0 where s = 0, otherwise 1 + 1 / (1 + n), with n annotated entries
                              of the image
    selective                 0 where s = 0 and the prior of the class is above prior_threshold;
                              0 at the likelihood_topk * B unannotated entries of the whole batch
                              with the highest p, those that the prior leaves out among them;
                              otherwise 1

B is the size of the actual batch. Without a prior selective has its second part alone. The prior
of a class is the mean of p of a model that is trained in a mode that ignores, over all steps of all
its epochs: a run of such a mode leaves it in its record. Without observed negatives such a model
learns that everything is present.

Source: Ben-Baruch et al., Multi-label Classification with Partial Annotations using Class-aware
Selective Loss, CVPR 2022; formula and defaults from the released code (github.com/Alibaba-MIIL/
PartialLabelingCSL). There labels are 1, 0 and -1 for unannotated, the loss is the sum over the
batch and the argument of the logarithm is bounded at 1e-8; here it is the mean over B x C and
exact. The examples of its README have a prior_threshold of 0.5, the code 0.05.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import (
    check_choice,
    check_integer,
    check_real,
    negative_cost,
    positive_cost,
    shifted_probability,
)
from .framework import GeneralizedLoss, Mapping, Terms

MODES = ("negative", "ignore", "ignore_normalize_classes", "selective")


class PartialAsymmetricLoss(GeneralizedLoss):
    """Partial asymmetric loss.

    gamma_pos, gamma_neg, gamma_unannotated  at least 0: focal exponents
    alpha_pos, alpha_neg, alpha_unannotated  at least 0: weights
    clip             0 to 1: the probability below which what counts as a negative costs nothing
    mode             negative, ignore, ignore_normalize_classes or selective
    likelihood_topk  at least 0: how many unannotated entries an image selective leaves out, as a
                     mean over the batch
    prior            for selective: the expected share of positives of each of the C classes, 0 to 1
    prior_threshold  0 to 1: the prior above which selective leaves out a class

    Buffers `probability_sum` (C,) and `steps` (), float64: of the modes that ignore, the sum over
    steps of the mean of p over the batch, and their number.
    """

    mapping = Mapping(
        k="$0$",
        v=r"$w\,\alpha\,p_m^{\gamma}$",
        l1=r"$-w\,\alpha_+(1-p)^{\gamma_+}\log p$",
        l2="",
        l3=r"$-\log(1-p_m),\ p_m=\max(p-c,0)$",
    )
    negatives_as_unobserved = True  # they have a weight and an exponent of their own

    left_out: Tensor
    probability_sum: Tensor
    steps: Tensor

    def __init__(
        self,
        *,
        gamma_pos: float = 0,
        gamma_neg: float = 1,
        gamma_unannotated: float = 2,
        alpha_pos: float = 1,
        alpha_neg: float = 1,
        alpha_unannotated: float = 1,
        clip: float = 0,
        mode: str = "negative",
        likelihood_topk: int = 5,
        prior: Sequence[float] | None = None,
        prior_threshold: float = 0.05,
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        self.gamma_pos = check_real("gamma_pos", gamma_pos, at_least=0.0)
        self.gamma_neg = check_real("gamma_neg", gamma_neg, at_least=0.0)
        self.gamma_unannotated = check_real("gamma_unannotated", gamma_unannotated, at_least=0.0)
        self.alpha_pos = check_real("alpha_pos", alpha_pos, at_least=0.0)
        self.alpha_neg = check_real("alpha_neg", alpha_neg, at_least=0.0)
        self.alpha_unannotated = check_real("alpha_unannotated", alpha_unannotated, at_least=0.0)
        self.clip = check_real("clip", clip, at_least=0.0, at_most=1.0)
        self.mode = check_choice("mode", mode, MODES)
        self.likelihood_topk = check_integer("likelihood_topk", likelihood_topk, at_least=0)
        self.prior_threshold = check_real(
            "prior_threshold", prior_threshold, at_least=0.0, at_most=1.0
        )
        above = self._above_threshold(prior)
        self.register_buffer("left_out", torch.tensor(above))
        self.register_buffer("probability_sum", torch.zeros(self.num_classes, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.float64))

    def _above_threshold(self, prior: Any) -> list[bool]:
        """Of each class, whether its prior leaves it out."""
        if prior is None:
            return [False] * self.num_classes
        if self.mode != "selective":
            raise ValueError(f"prior: is for the mode selective, not {self.mode}")
        if isinstance(prior, str) or not isinstance(prior, Sequence):
            raise ValueError(f"prior: must be a list of numbers, not {prior!r}")
        if len(prior) != self.num_classes:
            raise ValueError(
                f"prior: must have a number for each of {self.num_classes} classes, "
                f"not {len(prior)}"
            )
        values = [check_real("prior", value, at_least=0.0, at_most=1.0) for value in prior]
        return [value > self.prior_threshold for value in values]

    @property
    def ignores(self) -> bool:
        """Whether what is unannotated is ignored, so that a prior can be estimated."""
        return self.mode in ("ignore", "ignore_normalize_classes")

    def findings(self) -> dict[str, Any]:
        """The prior that a run estimates which ignores what is unannotated."""
        if not self.ignores or not self.steps:
            return {}
        return {"prior": (self.probability_sum / self.steps).tolist()}

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if self.ignores and self.training:
            with torch.no_grad():
                self.probability_sum += torch.sigmoid(logits).mean(dim=0)
                self.steps += 1
        unannotated = observed == 0
        v, l3 = self._negatives(logits, unannotated)
        l1 = self.alpha_pos * positive_cost(logits)
        if self.gamma_pos > 0.0:
            l1 = l1 * torch.exp(-self.gamma_pos * negative_cost(logits.detach()))
        if self.mode == "ignore":
            v = v.masked_fill(unannotated, 0.0)
        elif self.mode == "ignore_normalize_classes":
            known = (~unannotated).sum(dim=1, keepdim=True).to(logits.dtype)
            weight = 1.0 + 1.0 / (1.0 + known)
            v, l1 = (v * weight).masked_fill(unannotated, 0.0), l1 * weight
        elif self.mode == "selective":
            self.modified = self.rejected(logits.detach(), unannotated)
            v = v.masked_fill(self.modified, 0.0)
        return Terms(k=0.0, v=v, l1=l1, l2=0.0, l3=l3)

    def rejected(self, logits: Tensor, unannotated: Tensor) -> Tensor:
        """The (B, C) bool mask of the unannotated entries that the mode selective leaves out."""
        count = min(self.likelihood_topk * len(logits), logits.numel())
        likely = torch.zeros_like(unannotated)
        if count:
            candidates = logits.masked_fill(~unannotated, -torch.inf).flatten()
            places = candidates.topk(count, sorted=False).indices
            likely = likely.flatten().index_fill_(0, places, True).view_as(unannotated)
        return unannotated & (likely | self.left_out)

    def _negatives(self, logits: Tensor, unannotated: Tensor) -> tuple[Tensor, Tensor]:
        """The weight of what counts as a negative, without gradient, and its -log(1 - p_m)."""
        part = unannotated.to(logits.dtype)
        gamma = self.gamma_neg + (self.gamma_unannotated - self.gamma_neg) * part
        alpha = self.alpha_neg + (self.alpha_unannotated - self.alpha_neg) * part
        if self.clip == 0.0:
            focal = torch.exp(-gamma * positive_cost(logits.detach()))
            return alpha * focal, negative_cost(logits)
        shifted = shifted_probability(logits, self.clip)
        return alpha * shifted.detach() ** gamma, -torch.log1p(-shifted)
