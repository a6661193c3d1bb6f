"""VPU for many labels: variational learning from positives and what is unlabelled, class by class.

    L = sum over classes of [ sg(m_c)^gamma * log m_c  -  mean over the class's positives of log q ]

    q   = sigmoid( z / t_c )                 m_c = mean of q over all images of the batch
    t_c = min( alpha * d_c, 1 )              d_c = standard deviation of z over the batch (of n)

t_c carries no gradient, and sg(m_c) neither. All images count as unlabelled, observed positives and
observed negatives too: negatives are never used. A class without a positive in the batch has the
first term alone. A class whose logits are all equal, as in a batch of one, has t_c = 1.

Source: PU-MLC (ICME 2024), of whose method this is the first term; formula and constants from the
released code (github.com/TAKELAMAG/PU-MLC), which divides by zero where t_c is 0 and adds 1e-10
inside logarithms; here they are exact. The mean over the batch stands for the data set's: released
settings have 35 to 45 images a step.
"""

import math

import torch
from torch import Tensor

from .base import Loss, check_real, positive_cost


class VariationalPositiveUnlabelled(Loss):
    """Variational positive-unlabelled loss.

    gamma  at least 0: exponent of the weight of what is unlabelled
    alpha  above 0: the temperature is this times the deviation of the logits, at most 1
    """

    outside_framework = "it has the logarithm of a mean over the batch"

    def __init__(self, *, gamma: float, alpha: float, **sizes: int) -> None:
        super().__init__(**sizes)
        self.gamma = check_real("gamma", gamma, at_least=0.0)
        self.alpha = check_real("alpha", alpha, above=0.0)

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        positive = (observed == 1).to(logits.dtype)
        cost = positive_cost(logits / self.temperature(logits.detach()))  # -log q
        of_positives = (positive * cost).sum(dim=0) / positive.sum(dim=0).clamp(min=1.0)
        log_mean = torch.logsumexp(-cost, dim=0) - math.log(len(logits))
        weight = torch.exp(self.gamma * log_mean.detach())
        return (weight * log_mean + of_positives).sum()

    def temperature(self, logits: Tensor) -> Tensor:
        """t (C,) of logits (B, C) without gradient."""
        deviation = torch.std(logits, dim=0, correction=0)
        lowest, highest = torch.aminmax(logits, dim=0)
        return (self.alpha * deviation).clamp(max=1.0).masked_fill(lowest == highest, 1.0)
