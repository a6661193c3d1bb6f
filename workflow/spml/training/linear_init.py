"""The first phase of LinearInit: the head alone, on cached features.

Cole et al. (CVPR 2021) train a linear classifier on the features of the untrained backbone for 25
epochs, without augmentation, keep the one with the best validation mAP, and start fine-tuning from
it. Of what a loss has learnt about the training labels by then only ROLE's estimates are kept.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spml.data.matrices import Matrix, dense
from spml.losses.base import Loss
from spml.measures.metrics import mean_average_precision
from spml.plumbing.errors import Interrupted, UserError
from spml.plumbing.machine import Machine
from spml.training.checkpoint import Checkpoint
from spml.training.label_rows import label_rows
from spml.training.loading import load_images
from spml.training.optimizers import backward
from spml.training.randomness import LINEAR_INIT_ORDER, generator
from spml.training.row_adam import RowAdam, adam_of

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class HeadFit:
    """The selected epoch of the head, counted from 1, and the mAP in percent that selected it."""

    selected_epoch: int
    val_map: float


class HeadTrainer:
    """Trains ``head`` with Adam, one learning rate for all; the loss says how many epochs.

    features: (N, F) float32 over the official training split; truth (N, C) bool, observed (N, C)
    int8 and annotated, (N, C) bool where only some entries of the truth are known, likewise.
    selection: the labels by which an epoch is selected, see :mod:`spml.measures.selection`.
    Like the training loop it takes a checkpoint, and asks ``stop`` after each step whether to save
    and raise :class:`Interrupted`. name: of the run, for messages.
    """

    def __init__(
        self,
        head: nn.Module,
        loss: Loss,
        features: np.ndarray,
        *,
        train_rows: np.ndarray,
        val_rows: np.ndarray,
        truth: Matrix,
        observed: Matrix,
        annotated: Matrix | None = None,
        selection: str = "clean",
        batch_size: int,
        learning_rate: float,
        seed: int,
        name: str,
        device: torch.device,
        machine: Machine | None = None,
        checkpoint: Checkpoint | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.head = head.to(device)
        self.loss = loss.to(device)
        self.train_rows, self.val_rows = train_rows, val_rows
        seen = selection == "observed"
        self.val_labels = dense(observed[val_rows]) == 1 if seen else dense(truth[val_rows])
        self.val_ignored = None if annotated is None else ~dense(annotated[val_rows])
        self.observed = label_rows(observed, train_rows, device)
        self.loss.trust_labels(self.observed.values)
        self.batch_size = batch_size
        self.seed = seed
        self.name = name
        self.device = device
        self.checkpoint = checkpoint or Checkpoint(None, {})
        self.stop = stop
        machine = machine or Machine()
        # As bytes, rows of features are read like images: kept on the device where they are few.
        self._bytes = load_images(
            features.view(np.uint8),
            device,
            resident_megabytes=machine.resident_megabytes,
            workers=machine.workers,
        )
        groups = [{"params": list(head.parameters()), "lr": learning_rate}]
        groups += loss.parameter_groups(learning_rate)
        self.optimizer = adam_of(loss, groups, batch_size=batch_size, device=device)
        self.epoch = 1
        # Steps of the epoch that is under way.
        self.step = 0
        self.best = HeadFit(selected_epoch=0, val_map=-1.0)
        self.best_states: dict[str, Any] = {}

    def run(self) -> HeadFit:
        """Train; leave the head and the loss in the state of the best epoch."""
        while self.epoch <= self.loss.total_epochs:
            self._train_epoch()
            self._close_epoch()
        self.head.load_state_dict(self.best_states["head"])
        self.loss.load_state_dict(self.best_states["loss"])
        return self.best

    def state(self) -> dict[str, Any]:
        """All that the rest of the phase depends on."""
        return {
            "head": self.head.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "best": asdict(self.best),
            "best_states": self.best_states,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave, as if nothing had happened in between."""
        self.head.load_state_dict(state["head"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.best = HeadFit(**state["best"])
        self.best_states = state["best_states"]

    def _batches(self, rows: np.ndarray, size: int) -> Iterator[torch.Tensor]:
        """Features (B, F) float32 of ``rows``."""
        sizes = [min(size, len(rows) - start) for start in range(0, len(rows), size)]
        for batch in self._bytes.batches(rows, sizes):
            yield batch.view(torch.float32)

    def _train_epoch(self) -> None:
        """Take the steps of an epoch that are still to be taken."""
        random = generator(self.seed, self.epoch, LINEAR_INIT_ORDER)
        order = torch.randperm(len(self.train_rows), generator=random)
        order = order[self.step * self.batch_size :]
        if len(order) == 0:
            return
        features = self._batches(self.train_rows[order.numpy()], self.batch_size)
        indices = order.to(self.device).split(self.batch_size)
        for inputs, index in zip(features, indices, strict=True):
            value = self.loss(
                self.head(inputs), self.observed.rows(index), index=index, epoch=self.epoch
            )
            self.optimizer.zero_grad()
            backward(value)
            self.optimizer.step()
            self.step += 1
            if self.checkpoint.due():
                self._save()
            if self.stop():
                self._save(wait=True)
                raise Interrupted(
                    f"{self.name}: asked to stop in linear_init, after {self.epoch - 1} epochs and "
                    f"{self.step} steps; the same command goes on from there"
                )

    @torch.no_grad()
    def _close_epoch(self) -> None:
        """Validate, keep the state if it is the best so far, and save."""
        self.loss.after_epoch(self.epoch, self._predict_training)
        logits = [self.head(inputs) for inputs in self._batches(self.val_rows, ROWS_AT_ONCE)]
        scores = torch.sigmoid(torch.cat(logits)).cpu().numpy()
        if not np.isfinite(scores).all():
            raise UserError(
                f"{self.name}: scores of the head are not finite in epoch {self.epoch} of "
                "linear_init; try a lower learning_rate"
            )
        val_map = mean_average_precision(scores, self.val_labels, self.val_ignored)
        if val_map > self.best.val_map:
            self.best = HeadFit(selected_epoch=self.epoch, val_map=val_map)
            if isinstance(self.optimizer, RowAdam):
                self.optimizer.settle()
            states = {"head": self.head.state_dict(), "loss": self.loss.state_dict()}
            self.best_states = copy.deepcopy(states)
        self.epoch, self.step = self.epoch + 1, 0
        self._save()

    def _predict_training(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Logits of the training split as a loss may ask for them after an epoch."""
        positions = torch.arange(len(self.train_rows), device=self.device)
        batches = self._batches(self.train_rows, ROWS_AT_ONCE)
        for inputs, index in zip(batches, positions.split(ROWS_AT_ONCE), strict=True):
            yield self.head(inputs), index

    def _save(self, *, wait: bool = False) -> None:
        # Told by its key from the state of the training loop.
        self.checkpoint.save({"linear_init": self.state()}, wait=wait)
