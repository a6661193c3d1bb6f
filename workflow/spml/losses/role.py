"""ROLE, regularised online label estimation: the labels are estimated along with the classifier.

With q = sigmoid(G[index]) the label estimator's probabilities of the batch's rows, and sg the
stop-gradient, the loss is the mean of the same loss of p and of q:

    L    = ( F(p; q) + F(q; p) ) / 2
    F(a; t) = mean over B x C of [ 1[s = 1] * -log a + X(a; sg t) ]
              + ( (1/B) sum over the batch of a - expected_positives )^2 / C^2
    X(a; t) = -t log a - (1 - t) log(1 - a)          on all entries, observed ones too

G starts with uniform random logits in [-u, u], u = logit(0.6), that is with q in [0.4, 0.6];
logit(0.995) where a positive was observed, and logit(0.005) where a negative was. The observed
entries of a row are set when the row is first seen in training, since labels come with batches.

G is trained by the optimiser of the classifier, dense, at `estimator_lr_multiplier` times the rate
and without weight decay.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base import Loss, check_real, negative_cost, positive_cost

UNOBSERVED_LIMIT = math.log(0.6 / 0.4)
OBSERVED_LOGIT = math.log(0.995 / 0.005)


class _Mutual(torch.autograd.Function):
    """(F(p; q) + F(q; p)) / 2 of the logits (2, B, C) of p and q, with its derivative.

    An entry costs -log(1 - a) - t z + 1[s = 1] * -log a, of which the derivative with respect to z
    is a - t - 1[s = 1] * (1 - a). That of the regulariser's a is a * (1 - a).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, positive: Tensor, expected_mean: float) -> Tensor:
        cost = positive_cost(logits).mul_(positive).add_(negative_cost(logits))
        a = torch.sigmoid(logits)
        target = a.flip(0)
        value = cost.addcmul_(target, logits, value=-1.0).mean()
        del cost  # before the next (2, B, C) tensor is made
        otherwise = logits.neg().sigmoid_()  # 1 - a, which would be 0 near 1
        slope = torch.sub(a, target, out=target).addcmul_(positive, otherwise, value=-1.0)
        excess = a.mean(dim=(1, 2), keepdim=True).sub_(expected_mean)
        slope.addcmul_(a.mul_(otherwise), excess, value=2.0).div_(logits.numel())
        ctx.save_for_backward(slope)
        return value.add_(excess.square_().mean())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None


class RegularisedOnlineLabelEstimation(Loss):
    """Regularised online label estimation.

    expected_positives       above 0: the mean number of true positives of an image
    estimator_lr_multiplier  above 0

    Parameter `estimator` (num_examples, C): G, by row of the training split.
    Buffer `seen` (num_examples,) bool: the rows whose observed entries are set.
    """

    outside_framework = "its targets are learnt along with the classifier"
    remembers_examples = True
    keeps_linear_init = True  # "q" is kept beside the linear layer in the released code
    seen: Tensor

    def __init__(
        self, *, expected_positives: float, estimator_lr_multiplier: float = 10, **sizes: int
    ) -> None:
        super().__init__(**sizes)
        self.expected_positives = check_real("expected_positives", expected_positives, above=0.0)
        self.estimator_lr_multiplier = check_real(
            "estimator_lr_multiplier", estimator_lr_multiplier, above=0.0
        )
        uniform = torch.rand(self.num_examples, self.num_classes) * 2.0 - 1.0
        self.estimator = torch.nn.Parameter(uniform * UNOBSERVED_LIMIT)
        self.register_buffer("seen", torch.zeros(self.num_examples, dtype=torch.bool))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        rate = learning_rate * self.estimator_lr_multiplier
        # Weight decay is for the network: it would pull all estimates, dense as they are, to 1/2.
        options = {"lr": rate, "weight_decay": 0.0, "by_example": True}
        return [{"params": [self.estimator], **options}]

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        if self.training:
            self._set_observed_entries(observed, index)
        estimated = torch.embedding(self.estimator, index, sparse=self.sparse_gradients)
        both = torch.stack((logits, estimated.to(logits.dtype)))
        del estimated
        # Divided by C before the square, like the mean over C: that is the division by C^2.
        positive = (observed == 1).to(logits.dtype)
        return _Mutual.apply(both, positive, self.expected_positives / self.num_classes)

    @torch.no_grad()
    def _set_observed_entries(self, observed: Tensor, index: Tensor) -> None:
        if index.device.type == "cpu" and self.seen.index_select(0, index).all():
            return
        known = (observed != 0) & ~self.seen[index].unsqueeze(1)
        start = observed.to(self.estimator.dtype) * OBSERVED_LOGIT
        self.estimator[index] = torch.where(known, start, self.estimator[index])
        # Not self.seen[index] = True, which copies a number to the device and waits for it.
        self.seen.index_fill_(0, index.long(), True)
