"""EPR, expected positive regularisation: observed positives, and the expected number of positives.

    s = 1 : -log p
    s = -1: -log(1 - p)
    s = 0 : 0
    plus         ( (1/B) sum over the batch of p - expected_positives )^2 / C^2

The regulariser stands outside the mean over B x C, with weight 1, and works on the mean number of
predicted positives of the batch, not of each image.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
adds 1e-5 inside the logarithm; here it is exact.
"""

import torch
from torch import Tensor

from .base import check_real, positive_cost
from .framework import GeneralizedLoss, Mapping, Terms


class ExpectedPositiveRegularisation(GeneralizedLoss):
    """Expected positive regularisation.

    expected_positives  above 0: the mean number of true positives of an image, over the classes
                        of the data set (an oracle; 1.5 VOC, 2.9 COCO, 1.9 NUS, 31.4 CUB)

    `mapping` states the pointwise part.
    """

    mapping = Mapping(k="$0$", v="$1$", l1=r"$-\log p$", l2="", l3="$0$")

    def __init__(self, *, expected_positives: float, **sizes: int) -> None:
        super().__init__(**sizes)
        self.expected_positives = check_real("expected_positives", expected_positives, above=0.0)

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        return Terms(k=0.0, v=1.0, l1=positive_cost(logits), l2=0.0, l3=0.0)

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        pointwise = super().compute(logits, observed, index, epoch)
        # Both are divided by C before the square: that is the division by C^2.
        excess = torch.sigmoid(logits).mean() - self.expected_positives / self.num_classes
        return pointwise + excess.square()
