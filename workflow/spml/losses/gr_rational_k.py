"""GR with k in its rational form.

    k = (1 - w) p / (1 - w p) + b,   limited to 0..1

with the schedule of beta = (w, b) that `gr` has; all else as there. With b = 0 this is the
probability that an unobserved entry is positive if a fraction w of the positives is observed and p
is the probability of a positive (Elkan and Noto, Learning Classifiers from Only Positive and
Unlabeled Data, KDD 2008).

Source: an unused function of the released code of Chen et al., IJCAI 2024, from which values of w
and b are not known. The released function does not limit k, which leaves 0..1 unless b = 0.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .gr import GeneralizedRobustLoss


class RationalKRobustLoss(GeneralizedRobustLoss):
    """GR with k in its rational form; hyperparameters as `gr`, but w below 1 at both ends."""

    mapping = GeneralizedRobustLoss.mapping._replace(k=r"$\frac{(1-w)p}{1-wp}+b$")

    def __init__(self, *, beta: Sequence[float], **others: Any) -> None:
        super().__init__(beta=beta, **others)
        if max(self.w_ends) >= 1.0:
            raise ValueError(f"beta: w must be below 1 for the rational k, not {beta!r}")

    def estimate(self, p: Tensor, epoch: int) -> Tensor:
        w, b = self.beta(epoch)
        return ((1.0 - w) * p).div_(1.0 - w * p).add_(b).clamp_(0.0, 1.0)
