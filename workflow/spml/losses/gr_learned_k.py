"""GR with k learned: a logistic regression on p for every class.

    k = sigmoid(slope_c * p + offset_c)

Slope and offset are trained on the GR loss itself, through k, by a gradient descent of their own
(rate 0.1, momentum 0.9, weight decay 0.001) next to the optimiser of the classifier: the
loss has no other target for k. All else as in `gr`. They start at beta's first values, slope = w0
and offset = b0; its last values are not used.

The descent is done here, in the forward of a training step, because its optimiser is not the
classifier's: the gradient of the loss L with respect to k is known in closed form,

    dL/dk = v * (L2 - L3) / (B C) on unobserved entries, 0 on observed ones,

and the step's own loss still has the k from before. So slope and offset are buffers.

Source: an option of the released code of Chen et al., IJCAI 2024, that fails before its first
step; it starts at slope 0 and offset -2.
"""

from typing import Any

import torch
from torch import Tensor

from .base import check_real
from .framework import Terms
from .gr import GeneralizedRobustLoss


class LearnedKRobustLoss(GeneralizedRobustLoss):
    """GR with a learned k; hyperparameters as `gr`, and those of its gradient descent

    estimator_lr            at least 0
    estimator_momentum      0 to 1, 1 excluded
    estimator_weight_decay  at least 0

    Buffers `slope_and_offset` and `velocity`, both (2, C).
    """

    mapping = GeneralizedRobustLoss.mapping._replace(k=r"$\sigma(w_cp+b_c)$, learned")

    slope_and_offset: Tensor
    velocity: Tensor

    def __init__(
        self,
        *,
        estimator_lr: float = 0.1,
        estimator_momentum: float = 0.9,
        estimator_weight_decay: float = 0.001,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.estimator_lr = check_real("estimator_lr", estimator_lr, at_least=0.0)
        self.estimator_momentum = check_real(
            "estimator_momentum", estimator_momentum, at_least=0.0, below=1.0
        )
        self.estimator_weight_decay = check_real(
            "estimator_weight_decay", estimator_weight_decay, at_least=0.0
        )
        start = torch.tensor([[self.w_ends[0]], [self.b_ends[0]]]).repeat(1, self.num_classes)
        self.register_buffer("slope_and_offset", start)
        self.register_buffer("velocity", torch.zeros_like(start))

    def schedule(self, epoch: int) -> dict[str, float]:
        mu, sigma = self.alpha(epoch)
        return {"mu": mu, "sigma": sigma}

    def estimate(self, p: Tensor, epoch: int) -> Tensor:
        slope, offset = self.slope_and_offset.to(p.dtype)
        return (slope * p).add_(offset).sigmoid_()

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        terms = super().terms(logits, observed, index, epoch)
        if self.training:
            self._descend(terms, logits, observed)
        return terms

    @torch.no_grad()
    def _descend(self, terms: Terms, logits: Tensor, observed: Tensor) -> None:
        """One step of gradient descent with momentum and weight decay, as torch.optim.SGD's."""
        k, v, _, l2, l3 = terms
        if not isinstance(k, Tensor) or not isinstance(l2, Tensor):
            raise TypeError("k and l2 must be tensors where k is learnt")
        # dL/dk * k (1 - k), the gradient with respect to the argument of the sigmoid.
        inner = (l2 - l3).mul_(v).mul_(k)
        inner.addcmul_(inner, k, value=-1.0)
        inner.masked_fill_(observed != 0, 0.0).div_(inner.numel())
        offset_gradient = inner.sum(dim=0)
        slope_gradient = inner.mul_(torch.sigmoid(logits)).sum(dim=0)
        gradient = torch.stack([slope_gradient, offset_gradient]).to(self.velocity.dtype)
        gradient.add_(self.slope_and_offset, alpha=self.estimator_weight_decay)
        self.velocity.mul_(self.estimator_momentum).add_(gradient)
        self.slope_and_offset.sub_(self.velocity, alpha=self.estimator_lr)
