"""Average precision of scores that come batch by batch.

Names are those of torchmetrics' class, and so are the arguments that there are, if they are given
by name, so that one takes the place of the other. The values differ from that in classes without a
positive, which count 0 here as in both papers.
"""

from typing import Any, Literal

import numpy as np

from spml.measures.metrics import average_precision


def _array(values: Any) -> np.ndarray:
    """An array of NumPy or a tensor of torch, of any device, as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.float() if values.itemsize < 4 else values  # NumPy has no bfloat16
    return np.asarray(values)


class MultilabelAveragePrecision:
    """mAP, or the average precision of each class, over all batches since the last reset.

    num_labels    C, at least 1
    average       ``"macro"``: the mean over the classes that are known; ``"none"``: one value each
    ignore_index  the value of a target that nobody knows, such as -1; such entries take no part

    It keeps what it is given, so that memory grows with the number of examples, by five bytes an
    entry of float32 scores. Raises ValueError, naming the argument, for anything else.
    """

    def __init__(
        self,
        num_labels: int,
        average: Literal["macro", "none"] | None = "macro",
        ignore_index: int | None = None,
    ) -> None:
        if num_labels < 1:
            raise ValueError(f"num_labels: must be at least 1, not {num_labels!r}")
        if average not in ("macro", "none", None):
            raise ValueError(f"average: must be 'macro' or 'none', not {average!r}")
        if ignore_index in (0, 1):
            raise ValueError(f"ignore_index: must be other than 0 and 1, not {ignore_index!r}")
        self.num_labels = num_labels
        self.average = average
        self.ignore_index = ignore_index
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._scores: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch: arrays of NumPy or tensors of torch, of any device.

        preds   (B, C) floating point, finite: logits, probabilities, any monotone score
        target  (B, C): 1 present, 0 absent, ``ignore_index`` unknown; or bool
        """
        scores, targets = _array(preds), _array(target)
        for name, values in (("preds", scores), ("target", targets)):
            if values.ndim != 2 or values.shape[1] != self.num_labels:
                raise ValueError(
                    f"{name}: must have shape (B, {self.num_labels}), not {values.shape}"
                )
        if len(scores) != len(targets):
            raise ValueError(f"target: has {len(targets)} rows and preds {len(scores)}")
        if not np.issubdtype(scores.dtype, np.floating) or not np.isfinite(scores).all():
            raise ValueError("preds: must be floating point and finite")
        present = targets == 1
        unknown = np.zeros_like(present)
        if self.ignore_index is not None:
            unknown = targets == self.ignore_index
        if not (present | unknown | (targets == 0)).all():
            also = "" if self.ignore_index is None else f" or {self.ignore_index}"
            raise ValueError(f"target: values must be 0, 1{also}")
        # A copy, since a caller may write the next batch into the same memory.
        self._scores.append(scores.copy())
        self._targets.append(np.where(unknown, -1, present).astype(np.int8))

    def compute(self) -> float | np.ndarray:
        """mAP, a number from 0 to 1; or (C,) float64 for ``"none"``.

        A class without a positive counts 0; one that is unknown throughout is NaN and takes no part
        in the mean, which is NaN where no class is known. Without a batch: ValueError.
        """
        if not self._scores:
            raise ValueError("there is nothing to compute from; call update first")
        targets = np.concatenate(self._targets)
        precision = average_precision(
            np.concatenate(self._scores), targets == 1, ignore=targets == -1
        )
        if self.average != "macro":
            return precision
        known = precision[~np.isnan(precision)]
        return float(known.mean()) if len(known) else float("nan")
