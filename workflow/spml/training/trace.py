"""What each step of training leaves, without making the host wait for the device."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import softplus

from spml.training.label_rows import Rows

TRACE_COLUMNS = (
    "loss",
    "true_negative_loss",
    "false_negative_loss",
    "lowest_logit",
    "highest_logit",
)
_WATCHED = [TRACE_COLUMNS.index(name) for name in ("loss", "lowest_logit", "highest_logit")]


@dataclass
class _Step:
    """A step whose row is still to be made; B examples, C classes."""

    loss: torch.Tensor  # scalar
    logits: torch.Tensor  # (B, C)
    index: torch.Tensor  # (B,) int64
    modified: torch.Tensor | None  # (B, C) bool


def _on(device: torch.device, values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if each is None else each.to(device) for name, each in values.items()}


class Trace:
    """One row a step: ``values`` (steps, columns) float32 on the device.

    Rows are made many at a time, by :meth:`summarise`: for each alone, the dozen small operations
    that it takes would be a tenth of a step of a linear head.

    truth, observed: rows of the training split. ``modified`` (2,) int64: how many entries the loss
    has rejected or corrected in the rows that were made since it was None last, and how many of
    them are positives which training could not see; None for a loss that does neither.
    """

    def __init__(self, steps: int, device: torch.device, *, truth: Rows, observed: Rows) -> None:
        self.values = torch.zeros((steps, len(TRACE_COLUMNS)), device=device)
        self.modified: torch.Tensor | None = None
        self._truth, self._observed = truth, observed
        self._made = 0  # rows
        self._waiting: list[_Step] = []
        on_gpu = device.type == "cuda"
        shape = self.values.shape
        self._host = torch.zeros(shape, pin_memory=True) if on_gpu else self.values
        self._arrival = torch.cuda.Event() if on_gpu else None
        self._first, self._last = 0, 0  # rows that are on their way to the host

    def record(
        self,
        loss: torch.Tensor,
        logits: torch.Tensor,
        index: torch.Tensor,
        modified: torch.Tensor | None,
    ) -> None:
        """Note a step.

        logits (B, C); index (B,) int64 of the training split; modified (B, C) bool.
        """
        if self._waiting and self._waiting[0].logits.shape != logits.shape:
            self.summarise()
        logits = logits.detach()
        # A graph of the network leaves the logits of each step in the same place.
        logits = logits.clone() if self._arrival is not None else logits
        # A loss may keep its mask in a buffer.
        modified = None if modified is None else modified.clone()
        self._waiting.append(_Step(loss.detach(), logits, index, modified))

    def summarise(self) -> None:
        """Make the rows of the steps that were noted.

        The cost of a negative, log(1 + exp(z)), is averaged over entries that are truly negative
        and over those that are positive but unobserved: what assume-negative training would pay.
        """
        if not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        logits = torch.stack([step.logits for step in steps]).float()
        index = torch.cat([step.index for step in steps])
        truth = self._truth.rows(index).view(logits.shape)
        missed = truth & (self._observed.rows(index).view(logits.shape) != 1)
        cost = softplus(logits)
        columns = [torch.stack([step.loss for step in steps]).float()]
        for chosen in (~truth, missed):
            columns.append((cost * chosen).sum(dim=(1, 2)) / chosen.count_nonzero(dim=(1, 2)))
        columns += [logits.amin(dim=(1, 2)), logits.amax(dim=(1, 2))]
        self.values[self._made : self._made + len(steps)] = torch.stack(columns, dim=1)
        self._made += len(steps)
        masks = [step.modified for step in steps if step.modified is not None]
        if masks:
            modified = torch.stack(masks)
            counts = torch.stack((modified.sum(), (modified & missed).sum()))
            self.modified = counts if self.modified is None else self.modified + counts

    def first_not_finite(self, *, wait: bool = False) -> int | None:
        """The first step whose loss or logits were not finite, None where none is known.

        Looks at the rows that the call before this one sent to the host, which have arrived long
        since, and sends those that were made after them. With ``wait`` looks at those too.
        """
        found = self._look()
        self._send()
        return self._look() if found is None and wait else found

    def latest_loss(self) -> float:
        """The loss of the last step that :meth:`first_not_finite` has looked at."""
        return float(self._host[max(self._first - 1, 0), 0])

    def state(self) -> dict[str, Any]:
        """The rows that were made, and the steps of which none was made yet.

        Which steps are summarised together may change the last bits of their sums, and so must not
        depend on when a run was stopped.
        """
        steps = [vars(step) for step in self._waiting]
        return {"rows": self.values[: self._made], "waiting": steps, "modified": self.modified}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        device = self.values.device
        rows = state["rows"]
        self.values[: len(rows)] = rows
        self._made = self._first = self._last = len(rows)
        modified = state["modified"]
        self.modified = None if modified is None else modified.to(device)
        self._waiting = [_Step(**_on(device, step)) for step in state["waiting"]]

    def _send(self) -> None:
        self._first, self._last = self._last, self._made
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
