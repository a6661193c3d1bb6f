"""GPR without pseudo-labels: GR, and the expected number of positives.

    s = 1, -1 or 0 : as in GR (`gr`), averaged over B x C
    plus             regularisation * ( (1/B) sum over the batch of p - expected_positives )^2 / C^2

The regulariser is EPR's: it stands outside the mean over B x C, and its gradient is not stopped.

Source: the released code and configuration files of AEVLP (ICCV 2025, github.com/Fsoft-AIC/AEVLP),
whose loss GPR is. Pseudo-labels from CLIP are part of it there; "without" is a switch of that code,
and no published number of it was found. With that switch an observed negative (-1) costs nothing
in the code; here it costs -log(1 - p), as in GR. The code adds 1e-7 inside the logarithm of an
observed positive; here it is exact.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .base import check_real
from .gr import GeneralizedRobustLoss


class _MeanProbability(torch.autograd.Function):
    """The mean of p over a batch; keeps its logits alone, where autograd would keep p as well."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        return torch.sigmoid(logits).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        slope = torch.sigmoid(logits)
        return slope.addcmul_(slope, slope, value=-1.0).mul_(gradients[0] / logits.numel())


class GeneralizedPseudoLabelRobustLoss(GeneralizedRobustLoss):
    """GR with a regulariser; hyperparameters as `gr`, and

    regularisation      at least 0: the weight of the regulariser
    expected_positives  above 0: the mean number of true positives of an image, over the classes
                        of the data set (an oracle; 1.5 VOC, 2.9 COCO, 1.9 NUS, 31.4 CUB)

    `mapping` states the pointwise part.
    """

    mapping = GeneralizedRobustLoss.mapping

    def __init__(self, *, regularisation: float, expected_positives: float, **others: Any) -> None:
        super().__init__(**others)
        self.regularisation = check_real("regularisation", regularisation, at_least=0.0)
        self.expected_positives = check_real("expected_positives", expected_positives, above=0.0)

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        # Both are divided by C before the square: that is the division by C^2. It comes first, so
        # that the gradient of the rest, which takes more memory, is done with before its own.
        excess = _MeanProbability.apply(logits) - self.expected_positives / self.num_classes
        pointwise = super().compute(logits, observed, index, epoch)
        return pointwise + self.regularisation * excess.square()
