"""What each step of training leaves, without making the host wait for the device."""

import torch
from torch.nn.functional import softplus

TRACE_COLUMNS = (
    "loss",
    "true_negative_loss",
    "false_negative_loss",
    "lowest_logit",
    "highest_logit",
)
_WATCHED = [TRACE_COLUMNS.index(name) for name in ("loss", "lowest_logit", "highest_logit")]


class Trace:
    """One row a step: ``values`` (steps, columns) float32 on the device."""

    def __init__(self, steps: int, device: torch.device) -> None:
        self.values = torch.zeros((steps, len(TRACE_COLUMNS)), device=device)
        on_gpu = device.type == "cuda"
        shape = self.values.shape
        self._host = torch.zeros(shape, pin_memory=True) if on_gpu else self.values
        self._arrival = torch.cuda.Event() if on_gpu else None
        self._first, self._last = 0, 0  # rows that are on their way to the host

    def record(
        self,
        step: int,
        loss: torch.Tensor,
        logits: torch.Tensor,
        *,
        truth: torch.Tensor,
        missed: torch.Tensor,
    ) -> None:
        """Write the row of ``step``, counted from 0 over the whole run.

        The cost of a negative, log(1 + exp(z)), is averaged over entries that are truly negative
        and over those that are positive but unobserved: what assume-negative training would pay.
        logits (B, C) detached; truth, missed (B, C) bool.
        """
        cost = softplus(logits)
        negative = ~truth
        lowest, highest = logits.aminmax()
        values = (
            loss.detach(),
            (cost * negative).sum() / negative.count_nonzero(),
            (cost * missed).sum() / missed.count_nonzero(),
            lowest,
            highest,
        )
        torch.stack(values, out=self.values[step])

    def first_not_finite(self, upto: int, *, wait: bool = False) -> int | None:
        """The first step whose loss or logits were not finite, None where none is known.

        Looks at the rows that the call before this one sent to the host, which have arrived long
        since, and sends those before ``upto`` after them. With ``wait`` looks at those too.
        """
        found = self._look()
        self._send(upto)
        return self._look() if found is None and wait else found

    def latest_loss(self) -> float:
        """The loss of the last step that :meth:`first_not_finite` has looked at."""
        return float(self._host[max(self._first - 1, 0), 0])

    def start_from(self, values: torch.Tensor) -> None:
        """Take over the first rows from a trace that was saved."""
        self.values[: len(values)] = values
        self._first = self._last = len(values)

    def _send(self, upto: int) -> None:
        self._first, self._last = self._last, upto
        if self._arrival is not None:
            rows = slice(self._first, self._last)
            self._host[rows].copy_(self.values[rows], non_blocking=True)
            self._arrival.record()

    def _look(self) -> int | None:
        if self._arrival is not None:
            self._arrival.synchronize()
        rows = self._host[self._first : self._last, _WATCHED]
        finite = torch.isfinite(rows).all(dim=1)
        if bool(finite.all()):
            return None
        return self._first + int(torch.nonzero(~finite)[0])
