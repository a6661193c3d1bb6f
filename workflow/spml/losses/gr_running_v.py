"""GR with the mean and the deviation of v measured instead of scheduled.

    v = exp(-(p - mu)^2 / (2 sigma^2))
    mu    <- rate * mean of p over the batch      + (1 - rate) * mu
    sigma <- rate * deviation of p over the batch + (1 - rate) * sigma

updated in every training step before v is computed, over all B x C entries, with the unbiased
deviation (0 for a single entry). mu and sigma start at alpha's first values (mu0, sigma0); its last
values are not used. All else as in `gr`.

Source: an unused class of the released code of Chen et al., IJCAI 2024, which starts at mu 0.5 and
sigma 2; its rate is not known.
"""

from typing import Any

import torch
from torch import Tensor

from .base import check_real
from .gr import GeneralizedRobustLoss


class RunningVRobustLoss(GeneralizedRobustLoss):
    """GR with running mean and deviation in v; hyperparameters as `gr`, and

    rate  0 to 1, 1 excluded: the weight of the newest batch
    alpha its sigma0 must be finite

    Buffers `mu` and `sigma`: scalars.
    """

    mapping = GeneralizedRobustLoss.mapping._replace(
        v=r"$\exp\left(-\frac{(p-\bar\mu)^2}{2\bar\sigma^2}\right)$"
    )

    mu: Tensor
    sigma: Tensor

    def __init__(self, *, rate: float = 0.1, **others: Any) -> None:
        super().__init__(**others)
        check_real("alpha", self.sigma_ends[0])
        self.rate = check_real("rate", rate, at_least=0.0, below=1.0)
        self.register_buffer("mu", torch.tensor(self.mu_ends[0]))
        self.register_buffer("sigma", torch.tensor(self.sigma_ends[0]))

    def schedule(self, epoch: int) -> dict[str, float]:
        w, b = self.beta(epoch)
        return {"w": w, "b": b}

    def weight(self, p: Tensor, epoch: int) -> Tensor:
        if self.training:
            variance, mean = torch.var_mean(p, correction=min(1, p.numel() - 1))
            self.mu.lerp_(mean.to(self.mu.dtype), self.rate)
            self.sigma.lerp_(variance.sqrt().to(self.sigma.dtype), self.rate)
        return (p - self.mu).div_(self.sigma).square_().mul_(-0.5).exp_()
