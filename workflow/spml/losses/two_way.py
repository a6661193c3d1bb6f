"""Two-way loss: positives above negatives, for each class over the batch and for each image.

    L = mean over classes with a positive in the batch of softplus( a_c + n_c )
        + mean over images with a positive of softplus( a_i + n_i )

    a = Tp * log of the sum over the positives of exp(-z / Tp)
    n = Tn * log of the sum over the negatives of exp(z / Tn)

with the sums of a_c and n_c over the images of the batch, those of a_i and n_i over the classes of
the image. A class or an image without negatives costs 0, and so does a batch without positives.

Positives are s = 1. Negatives are s = -1 and, unless unobserved entries are left out, s = 0.

Source: Kobayashi, Two-Way Multi-Label Loss, CVPR 2023; formula and constants from the released code
(github.com/tk1980/TwoWayMultiLabelLoss). There labels coded as negative are left out, so that what
is unobserved is the caller's choice; the paper's own treatment of missing labels could not be read
by us. A masked entry gets -100 there, which leaves exp(-100) of it; here it is left out. A batch
without positives is not a number there. Scores rank by z; their sigmoid is no probability.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .base import Loss, check_choice, check_real


class TwoWayLoss(Loss):
    """Two-way loss.

    temperature_pos  above 0: Tp
    temperature_neg  above 0: Tn
    unobserved       negative or left_out: what an unobserved entry counts as. With one positive an
                     image and no observed negative, left_out has nothing to compare with and is 0.
    """

    outside_framework = "its entries are compared with one another in logarithms of sums"

    def __init__(
        self,
        *,
        temperature_pos: float = 4,
        temperature_neg: float = 1,
        unobserved: str = "negative",
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        self.temperature_pos = check_real("temperature_pos", temperature_pos, above=0.0)
        self.temperature_neg = check_real("temperature_neg", temperature_neg, above=0.0)
        self.unobserved = check_choice("unobserved", unobserved, ("negative", "left_out"))

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        positive = observed == 1
        negative = observed != 1 if self.unobserved == "negative" else observed == -1
        # So far below any logit that nothing of it is left in a sum; minus infinity would give
        # gradients that are not numbers where a sum has no term at all.
        nothing = -(torch.finfo(logits.dtype).max ** 0.5)
        below = (logits / -self.temperature_pos).masked_fill(~positive, nothing)
        above = (logits / self.temperature_neg).masked_fill(~negative, nothing)
        return self._one_way(below, above, positive, 0) + self._one_way(below, above, positive, 1)

    def _one_way(self, below: Tensor, above: Tensor, positive: Tensor, dim: int) -> Tensor:
        """The mean of the costs that sum over a dimension, of those that have a positive."""
        a = self.temperature_pos * torch.logsumexp(below, dim=dim)
        n = self.temperature_neg * torch.logsumexp(above, dim=dim)
        counted = positive.any(dim=dim)
        costs = functional.softplus(a + n).masked_fill(~counted, 0.0)
        return costs.sum() / counted.sum().clamp(min=1)
