"""Partial-BCE as its other re-implementation has it: each image's mean, one weight for all.

    s =  1: g(f) * C / n * -log p
    s = -1: g(f) * C / n * -log(1 - p)
    s =  0: 0

averaged over all B x C entries, where n is the number of annotated labels of the image and f the
part of all labels of the data set that is annotated, with g as in `partial_bce`. So the loss is the
mean over images of the mean over their annotated entries, times a constant; an image without any
counts as 0.

Source: Durand et al., CVPR 2019, as re-implemented in github.com/lcalem/partial-labels
(model/losses/partialbce.py). No official code was found; see `partial_bce`.
"""

from typing import Any

from torch import Tensor

from .base import check_real
from .partial_bce import PartialCrossEntropy


class GlobalPartialCrossEntropy(PartialCrossEntropy):
    """Partial-BCE with one weight for all images; hyperparameters as `partial_bce`, and

    known_proportion  above 0, at most 1: f
    """

    mapping = PartialCrossEntropy.mapping._replace(
        v=r"$\frac{C}{n}g(f)\,\mathbf{1}[s=-1]$, $n$ known of the image",
        l1=r"$-\frac{C}{n}g(f)\log p$",
    )

    def __init__(self, *, known_proportion: float, **others: Any) -> None:
        super().__init__(**others)
        self.known_proportion = check_real(
            "known_proportion", known_proportion, above=0.0, at_most=1.0
        )

    def weight(self, known: Tensor) -> Tensor:
        constant = self.alpha * self.known_proportion**self.gamma + self.beta
        return constant * self.num_classes / known.clamp(min=1.0)
