"""LL-Cp, large loss correction, permanent: unobserved entries of large loss become positives.

    s = 1, or corrected before: -log p
    s = 0 or -1               : -log(1 - p), or -log p where the entry is unobserved and large

From the second epoch on, an entry that is large in its step counts as an observed positive in this
step and in every later one. The count of entries per step is constant. Which entries are large:
see `spml.losses._large_loss`; entries that were corrected before are no longer candidates.

Source: Kim et al., Large Loss Matters in Weakly Supervised Multi-Label Classification, CVPR 2022.
The released code compares the method's name with `is`, so that LL-Cp runs as LL-Ct from the command
line; and it changes the labels of entries above the threshold for good, but not of those at it. Of
the K entries that are corrected in a step, one stays corrected less: none where K is 1, as with
LL's values on VOC, 2 of 3 on COCO and NUS, 9 of 10 on CUB. Here every entry that is corrected in a
step stays corrected, as in the authors' later code for BoostLU; `strict` does as the released code.
"""

import math
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from ._large_loss import LargeLoss
from .base import check_flag, negative_cost, positive_cost
from .framework import Mapping, Terms


class LargeLossPermanentCorrection(LargeLoss):
    """Large loss correction, permanent.

    delta_rel  at least 0: how many percent of the entries of a batch are corrected in every step
    strict     whether only entries above the threshold, of which ties at it are none, stay so

    Buffer `corrected` (num_examples, C) bool: what was corrected so far, by row of the training
    split. It takes a byte an entry: 17 GB for the 3.4 million images and 5,000 classes of
    OpenImages, on the device and, while a checkpoint is written, on the host.
    """

    mapping = Mapping(
        k=r"$\mathbf{1}[L_3\geq R]$",
        v="$1$",
        l1=r"$-\log p$",
        l2=r"$-\log p$",
        l3=r"$-\log(1-p)$",
    )
    remembers_examples = True

    corrected: Tensor

    def __init__(self, *, strict: bool = False, **others: Any) -> None:
        super().__init__(**others)
        self.strict = check_flag("strict", strict)
        corrected = torch.zeros(self.num_examples, self.num_classes, dtype=torch.bool)
        self.register_buffer("corrected", corrected)

    def fraction(self, epoch: int) -> Fraction:
        """The part of a batch that is large in this epoch: none in the first, then constant."""
        return super().fraction(min(epoch, 2))

    def terms(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Terms:
        self.modified = self.large(logits, observed, epoch)
        if_positive, if_negative = positive_cost(logits), negative_cost(logits)
        return Terms(k=self.modified, v=1.0, l1=if_positive, l2=if_positive, l3=if_negative)

    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        before = self.corrected[index]
        loss = super().compute(logits, observed.masked_fill(before, 1), index, epoch)
        if self.training:
            self.corrected[index] = before | self._kept(logits)
        return loss

    def _kept(self, logits: Tensor) -> Tensor:
        """Which of the entries that are corrected in this step stay corrected."""
        if not self.strict:
            return self.modified
        threshold = logits.detach().masked_fill(~self.modified, math.inf).min()
        return self.modified & (logits.detach() > threshold)
