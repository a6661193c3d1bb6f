"""GR, the generalized robust loss.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : v * [ k * (1 - p^q2) / q2  +  (1 - k) * (1 - (1 - p)^q3) / q3 ]

    k = sigmoid(w p + b)                            the probability that the entry is positive
    v = exp(-(p - mu)^2 / (2 sigma^2))              the weight of the entry

k and v are constants to the gradient. q = 0 means the limit of the loss, -log p resp.
-log(1 - p); q = 1 is the mean absolute error. With T epochs, n = linear_init and t = 1..T

    w     = w0  + (wT  - w0)  * max(t - n - 1, 0) / (T - n)    and so b
    mu    = mu0 + (muT - mu0) * max(t - n, 0)     / (T - n)    and so sigma

so that beta = (w, b) starts at its first value and never reaches its last, while alpha = (mu,
sigma) reaches its last value, and leaves its first one before the first epoch after the initial n.
In those n epochs the feature extractor is not trained.

Parts of the loss can be switched off: without v is sigma = .inf at both ends, a constant k is
w = 0 at both ends, and a constant schedule has equal ends.

Source: Chen et al., Boosting Single Positive Multi-label Classification with Generalized Robust
Loss, IJCAI 2024, arXiv 2405.03501; the schedules are those of the released code. That code adds
1e-7 inside the logarithm of an observed positive, and takes the power p^q2 itself, whose gradient
is not a number where p underflows; here both are exact.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import check_integer, check_real, negative_cost, positive_cost, power_loss
from .framework import GeneralizedLoss, Mapping, Terms


def check_four(name: str, values: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four values of a schedule, or raise ValueError naming the argument `name`."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 4:
        raise ValueError(f"{name}: must be a list of four numbers, not {values!r}")
    first, second, third, fourth = values
    return first, second, third, fourth


def linear(first: float, last: float, progress: float) -> float:
    """The value between first and last; equal ends may be infinite."""
    return first if first == last else first + (last - first) * progress


class GeneralizedRobustLoss(GeneralizedLoss):
    """The generalized robust loss.

    beta         (w0, wT, b0, bT), finite
    alpha        (mu0, sigma0, muT, sigmaT): mu finite, sigma above 0; .inf only at both ends
    q2, q3       at least 0
    linear_init  0 to T - 1
    """

    mapping = Mapping(
        k=r"$\sigma(wp+b)$",
        v=r"$\exp\left(-\frac{(p-\mu)^2}{2\sigma^2}\right)$",
        l1=r"$-\log p$",
        l2=r"$\frac{1-p^{q_2}}{q_2}$",
        l3=r"$\frac{1-(1-p)^{q_3}}{q_3}$",
    )
    follows_epochs = True

    def __init__(
        self,
        *,
        beta: Sequence[float],
        alpha: Sequence[float],
        q2: float,
        q3: float,
        linear_init: int = 0,
        **sizes: int,
    ) -> None:
        super().__init__(**sizes)
        w0, w_end, b0, b_end = check_four("beta", beta)
        self.w_ends = check_real("beta", w0), check_real("beta", w_end)
        self.b_ends = check_real("beta", b0), check_real("beta", b_end)
        mu0, sigma0, mu_end, sigma_end = check_four("alpha", alpha)
        self.mu_ends = check_real("alpha", mu0), check_real("alpha", mu_end)
        self.sigma_ends = (
            check_real("alpha", sigma0, above=0.0, infinite=True),
            check_real("alpha", sigma_end, above=0.0, infinite=True),
        )
        if self.sigma_ends[0] != self.sigma_ends[1] and math.inf in self.sigma_ends:
            raise ValueError(f"alpha: sigma must be finite, or .inf at both ends, not {alpha!r}")
        self.q2 = check_real("q2", q2, at_least=0.0)
        self.q3 = check_real("q3", q3, at_least=0.0)
        self.linear_init = check_integer(
            "linear_init", linear_init, at_least=0, at_most=self.total_epochs - 1
        )

    @property
    def frozen_epochs(self) -> int:
        return self.linear_init

    def beta(self, epoch: int) -> tuple[float, float]:
        """w and b in this epoch: they start one epoch later than mu and sigma."""
        progress = max(epoch - self.linear_init - 1, 0) / (self.total_epochs - self.linear_init)
        return linear(*self.w_ends, progress), linear(*self.b_ends, progress)

    def alpha(self, epoch: int) -> tuple[float, float]:
        """mu and sigma in this epoch."""
        progress = max(epoch - self.linear_init, 0) / (self.total_epochs - self.linear_init)
        return linear(*self.mu_ends, progress), linear(*self.sigma_ends, progress)

    def schedule(self, epoch: int) -> dict[str, float]:
        w, b = self.beta(epoch)
        mu, sigma = self.alpha(epoch)
        return {"w": w, "b": b, "mu": mu, "sigma": sigma}

    def estimate(self, p: Tensor, epoch: int) -> Tensor:
        """k (B, C): the probability that an entry is positive, from p without gradient."""
        w, b = self.beta(epoch)
        return (w * p).add_(b).sigmoid_()

    def weight(self, p: Tensor, epoch: int) -> Tensor | float:
        """v (B, C): the weight of an entry, from p without gradient."""
        mu, sigma = self.alpha(epoch)
        if math.isinf(sigma):
            return 1.0
        return (p - mu).square_().mul_(-0.5 / sigma**2).exp_()

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        if_positive = positive_cost(logits)
        l2 = power_loss(if_positive, self.q2)
        l3 = power_loss(negative_cost(logits), self.q3)
        p = torch.sigmoid(logits.detach())
        return Terms(
            k=self.estimate(p, epoch), v=self.weight(p, epoch), l1=if_positive, l2=l2, l3=l3
        )
