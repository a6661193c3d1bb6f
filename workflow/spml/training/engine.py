"""The training loop: one classifier, one loss, one seed.

Everything random is drawn from generators that depend on the seed and the epoch alone, never on
what happened before. So run k of every method sees the same initial weights and the same order of
images, and differences between methods are paired.
"""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spml.data.matrices import Matrix, dense
from spml.data.packed import Images
from spml.losses.base import Loss
from spml.measures.metrics import mean_average_precision
from spml.measures.selection import select_epoch, should_stop
from spml.plumbing.errors import Interrupted, UserError
from spml.plumbing.machine import Machine
from spml.plumbing.progress import Progress
from spml.training.checkpoint import Checkpoint
from spml.training.entries import EntryRecord
from spml.training.forward import Forward, captured, compiled
from spml.training.images import Normaliser, flip_some
from spml.training.label_rows import label_rows
from spml.training.loading import Batches, load_images
from spml.training.models import Classifier
from spml.training.optimizers import backward, sgd
from spml.training.precision import autocast
from spml.training.randomness import FLIPS, ORDER, generator
from spml.training.row_adam import adam_of
from spml.training.trace import TRACE_COLUMNS, Trace

STEPS_BETWEEN_SUMMARIES = 50
ROWS_AT_ONCE = 1024  # of features, which are small
ORDINARY_LOGIT = 100.0


@dataclass(frozen=True)
class Settings:
    """How a run trains; every key of a resolved protocol, see ``config/README.md``."""

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    head_learning_rate_multiplier: float
    momentum: float
    weight_decay: float
    early_stop_gap: float | None
    selection: str
    flip: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    seed: int
    name: str
    precision: str = "fp32"
    compile: bool = False
    cuda_graphs: bool = False
    deterministic: bool = False
    record_entries: bool = False
    early_stop_patience: int | None = None
    frozen: bool = False


@dataclass(frozen=True)
class Data:
    """What a run reads.

    train_images (N, H, W, channels) uint8 of the official training split, of which ``train_rows``
    and ``val_rows`` are the rows to train and to validate on; test_images likewise. Where the
    backbone is frozen, the bytes of its features: (N, 4 F) uint8 of (N, F) float32.
    truth, observed: (N, C) over the official training split, bool and int8 in {-1, 0, 1}.
    annotated: (N, C) bool where only some entries of the truth are known.
    """

    train_images: Images
    test_images: Images
    train_rows: np.ndarray
    val_rows: np.ndarray
    truth: Matrix
    observed: Matrix
    annotated: Matrix | None = None


@dataclass
class Result:
    """What a run leaves: scores are (N, C) float32 in [0, 1], trace is (steps, columns) float32."""

    history: list[dict[str, Any]]
    weights: dict[str, torch.Tensor]
    val: np.ndarray
    test: np.ndarray
    val_first: np.ndarray
    val_last: np.ndarray
    trace: np.ndarray
    steps_per_epoch: int


def _make_optimizer(
    classifier: Classifier, loss: Loss, settings: Settings, device: torch.device
) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [
        {"params": list(classifier.backbone.parameters()), "lr": settings.learning_rate},
        {
            "params": list(classifier.head.parameters()),
            "lr": settings.learning_rate * settings.head_learning_rate_multiplier,
        },
        *loss.parameter_groups(settings.learning_rate),
    ]
    if settings.optimizer == "sgd":
        return sgd(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return adam_of(
        loss,
        groups,
        batch_size=settings.batch_size,
        device=device,
        weight_decay=settings.weight_decay,
    )


def _clocks() -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def _counts(modified: torch.Tensor) -> dict[str, int]:
    entries, false_negatives = modified.tolist()
    return {"entries": entries, "false_negatives": false_negatives}


class Trainer:
    """One run in the making: holds the classifier, the loss, the optimiser and the records.

    machine says how it uses the computer, checkpoint where its state is kept, entries where what
    becomes of each entry is recorded, and ``stop`` is asked after each step whether to save and
    raise :class:`Interrupted`.
    """

    def __init__(
        self,
        classifier: Classifier,
        loss: Loss,
        data: Data,
        settings: Settings,
        device: torch.device,
        *,
        machine: Machine | None = None,
        checkpoint: Checkpoint | None = None,
        entries: EntryRecord | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        # Channels last is the layout in which convolutions are fastest on both kinds of device.
        self.classifier = classifier.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = loss.to(device)
        self.data = data
        self.settings = settings
        self.device = device
        self.machine = machine or Machine()
        self.checkpoint = checkpoint or Checkpoint(None, {})
        self.entries = entries
        self.stop = stop
        self.optimizer = _make_optimizer(self.classifier, self.loss, settings, device)
        self._normalise = Normaliser(settings.mean, settings.deviation, device)
        self._full_batch_forward = self._make_full_batch_forward()
        self._train_images = self._load(data.train_images)
        rows = data.train_rows
        self.observed = label_rows(data.observed, rows, device)
        self.loss.trust_labels(self.observed.values)
        self.steps_per_epoch = -(-len(rows) // settings.batch_size)
        steps = settings.epochs * self.steps_per_epoch
        truth = label_rows(data.truth, rows, device)
        self.trace = Trace(steps, device, truth=truth, observed=self.observed)
        self.history: list[dict[str, Any]] = []
        # Steps of the epoch that is under way, and whether the loss has had its turn after them.
        self.step = 0
        self.settled = False
        self.state_checked = False
        # Of the steps alone: by the clock, and of the processor, of all threads of this process.
        self.training_seconds = self.processor_seconds = 0.0
        self.best_weights: dict[str, torch.Tensor] = {}
        self.val_scores: dict[str, np.ndarray] = {}

    # ----------------------------------------------------------------------------------------------
    # Batches
    # ----------------------------------------------------------------------------------------------

    def _load(self, images: Images) -> Batches:
        return load_images(
            images,
            self.device,
            resident_megabytes=self.machine.resident_megabytes,
            workers=self.machine.workers,
        )

    def _inputs(self, images: torch.Tensor, flips: torch.Tensor | None = None) -> torch.Tensor:
        """Normalised (B, channels, H, W), channels last, of (B, H, W, channels) uint8.

        flips: (B,) bool, the images to mirror. Of bytes of features (B, 4 F) those (B, F) float32.
        """
        if self.settings.frozen:
            return images.view(torch.float32)
        images = images.permute(0, 3, 1, 2)
        # Mirrored as bytes, which are a quarter of what there is to move later.
        return self._normalise(images if flips is None else flip_some(images, flips))

    def _batches(
        self, epoch: int, first: int = 0, size: int | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Augmented training images with their rows in the training split, in shuffled order.

        Begins with batch ``first``, counted from 0. size: of a batch, where it is not a step's.
        """
        if first == self.steps_per_epoch:
            return
        settings, rows = self.settings, self.data.train_rows
        size = size or settings.batch_size
        order = torch.randperm(len(rows), generator=generator(settings.seed, epoch, ORDER))
        flips = torch.rand(len(rows), generator=generator(settings.seed, epoch, FLIPS)) < 0.5
        order = order[first * size :]
        flips = flips[order].to(self.device)
        images = self._train_images.batches(
            rows[order.numpy()], [len(index) for index in order.split(size)]
        )
        parts = zip(images, order.to(self.device).split(size), flips.split(size), strict=True)
        for batch, index, flip in parts:
            yield self._inputs(batch, flip if settings.flip else None), index

    # ----------------------------------------------------------------------------------------------
    # Prediction
    # ----------------------------------------------------------------------------------------------

    def _make_full_batch_forward(self) -> Forward:
        settings, on_gpu = self.settings, self.device.type == "cuda"
        if settings.compile:
            return compiled(self.classifier, cuda_graphs=settings.cuda_graphs)
        if not (settings.cuda_graphs and on_gpu):
            return self.classifier
        shape = (settings.batch_size, *self.data.train_images.shape[1:])
        sample = self._inputs(torch.zeros(shape, dtype=torch.uint8, device=self.device))
        return captured(
            self.classifier, sample, autocast(settings.precision, self.device, cache=False)
        )

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        with autocast(self.settings.precision, self.device):
            logits: torch.Tensor = self.classifier(inputs)
            return logits

    def _training_logits(self, inputs: torch.Tensor, epoch: int) -> torch.Tensor:
        """The same in a step, by the fastest way there is."""
        full = len(inputs) == self.settings.batch_size
        if not full or epoch <= self.loss.frozen_epochs:
            return self._logits(inputs)
        with autocast(self.settings.precision, self.device):
            return self._full_batch_forward(inputs)

    def _predict_training(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Logits of the training split as a loss may ask for them after an epoch."""
        self.classifier.eval()
        size = ROWS_AT_ONCE if self.settings.frozen else None
        with torch.no_grad():
            for inputs, index in self._batches(epoch, size=size):
                yield self._logits(inputs), index
        self.classifier.train()

    def _scores(self, images: Batches, rows: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), C) float32 in evaluation mode, fetched from the device once."""
        self.classifier.eval()
        at_once = ROWS_AT_ONCE if self.settings.frozen else 4 * self.settings.batch_size
        count = max(1, -(-len(rows) // at_once))
        sizes = [len(part) for part in np.array_split(rows, count)]
        logits = []
        with torch.no_grad():
            for batch in images.batches(rows, sizes):
                logits.append(self._logits(self._inputs(batch)))
                self._stop_if_asked()
        result = torch.sigmoid(torch.cat(logits).float()).cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError(f"{self.settings.name}: scores of the trained network are not finite")
        return result

    # ----------------------------------------------------------------------------------------------
    # One epoch
    # ----------------------------------------------------------------------------------------------

    def _check_finite(self, *, wait: bool = False) -> None:
        """Stop at the first step in the trace whose loss or logits were not finite."""
        found = self.trace.first_not_finite(wait=wait)
        if found is None:
            return
        row = dict(zip(TRACE_COLUMNS, self.trace.values[found].tolist(), strict=True))
        epoch, step = divmod(found, self.steps_per_epoch)
        lowest, highest = row["lowest_logit"], row["highest_logit"]
        # Logits that any loss has to be able to take: the rate has nothing to do with it.
        ordinary = max(abs(lowest), abs(highest)) < ORDINARY_LOGIT
        module = type(self.loss).__module__
        advice = f"mend the loss, {module}" if ordinary else "try a lower learning_rate"
        raise UserError(
            f"{self.settings.name}: not finite in epoch {epoch + 1}, step {step + 1}: "
            f"loss {row['loss']}, logits from {lowest} to {highest}; {advice}"
        )

    def _check_state_of_loss(self) -> None:
        """Refuse a loss of which a run that goes on would have lost a part."""
        if unsaved := self.loss.unsaved_state():
            raise UserError(
                f"{self.settings.name}: {type(self.loss).__module__} keeps tensors in "
                f"{', '.join(unsaved)}, which no checkpoint saves; make them buffers, with "
                "self.register_buffer(name, tensor), so that a run that was stopped goes on with "
                "them"
            )

    def _take_step(self, inputs: torch.Tensor, index: torch.Tensor, epoch: int) -> None:
        """One update, recorded in the trace."""
        try:
            logits = self._training_logits(inputs, epoch)
        except ValueError as error:
            if len(inputs) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                f"{self.settings.name}: the last batch has one image, of which the network makes "
                "one value a channel, and batch normalisation needs two; choose another "
                f"batch_size (now {self.settings.batch_size})"
            ) from error
        loss = self.loss(logits, self.observed.rows(index), index=index, epoch=epoch)
        self.optimizer.zero_grad()
        backward(loss)
        self.optimizer.step()
        self.trace.record(loss, logits, index, self.loss.modified)
        if self.entries is not None:
            self.entries.add(index, logits.detach(), self.loss.modified)

    def _train_epoch(self, epoch: int, progress: Progress) -> None:
        """Take the steps of an epoch that are still to be taken."""
        self.classifier.train()
        frozen = epoch <= self.loss.frozen_epochs
        self.classifier.backbone.requires_grad_(not frozen)
        started = _clocks()
        for inputs, index in self._batches(epoch, self.step):
            self._take_step(inputs, index, epoch)
            self.step += 1
            if not self.state_checked:
                self._check_state_of_loss()
                self.state_checked = True
            if self.step % STEPS_BETWEEN_SUMMARIES == 0:
                self.trace.summarise()
                self._check_finite()
                self._show_loss(progress, self.trace.latest_loss())
            progress.update()
            started = self._add_time(started)
            if self.checkpoint.due():
                self._save()
            self._stop_if_asked()
        self.trace.summarise()
        self._check_finite(wait=True)
        self._add_time(started)

    def _add_time(self, started: tuple[float, float]) -> tuple[float, float]:
        """Count the time since ``started`` as time of training; return the time that it is now."""
        now = _clocks()
        self.training_seconds += now[0] - started[0]
        self.processor_seconds += now[1] - started[1]
        return now

    def _show_loss(self, progress: Progress, loss: float) -> None:
        validation = f", val mAP {self.history[-1]['val_map']:.2f}" if self.history else ""
        progress.set_postfix_str(f"loss {loss:.4f}{validation}", refresh=False)

    def _validate(self, epoch: int, scores: np.ndarray) -> dict[str, Any]:
        rows = self.data.val_rows
        steps = slice((epoch - 1) * self.steps_per_epoch, epoch * self.steps_per_epoch)
        annotated = self.data.annotated
        ignore = None if annotated is None else ~dense(annotated[rows])
        observed = dense(self.data.observed[rows]) == 1
        return {
            "epoch": epoch,
            "loss": float(self.trace.values[steps, 0].double().mean()),
            "val_map": mean_average_precision(scores, dense(self.data.truth[rows]), ignore),
            "val_map_observed": mean_average_precision(scores, observed, ignore),
            "learning_rates": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": self.loss.schedule(epoch),
            "modified": None if self.trace.modified is None else _counts(self.trace.modified),
        }

    def _close_epoch(self, epoch: int) -> None:
        """Validate, keep the weights if they are the best so far, and save."""
        if not self.settled:
            self.loss.after_epoch(epoch, functools.partial(self._predict_training, epoch))
            self.settled = True
        scores = self._scores(self._train_images, self.data.val_rows)
        self.history.append(self._validate(epoch, scores))
        self.val_scores["last"] = scores
        if epoch == 1:
            self.val_scores["first"] = scores
        if select_epoch(self.history, self.settings.selection) == epoch:
            self.val_scores["best"] = scores
            state = self.classifier.state_dict()
            self.best_weights = {key: value.detach().clone() for key, value in state.items()}
        if self.entries is not None:
            self.entries.close_epoch(epoch)
        self.step, self.settled = 0, False
        self.trace.modified = None
        self._save()

    # ----------------------------------------------------------------------------------------------
    # State
    # ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on: tensors, plain values, and maps of them.

        Order and flips are not among it: they are functions of the seed and the epoch.
        """
        on_gpu = self.device.type == "cuda"
        return {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "loss": self.loss.state_dict(),
            # Networks with dropout draw from torch's own generators.
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state(self.device) if on_gpu else None,
            "history": self.history,
            "step": self.step,
            "settled": self.settled,
            "training_seconds": self.training_seconds,
            "processor_seconds": self.processor_seconds,
            "trace": self.trace.state(),
            "entries": None if self.entries is None else self.entries.state(),
            "best_weights": self.best_weights,
            "val_scores": {key: torch.from_numpy(value) for key, value in self.val_scores.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave, as if nothing had happened in between."""
        self.classifier.load_state_dict(state["classifier"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.loss.load_state_dict(state["loss"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"], self.device)
        self.history = state["history"]
        self.step = state["step"]
        self.settled = state["settled"]
        self.training_seconds = state["training_seconds"]
        self.processor_seconds = state["processor_seconds"]
        self.trace.load_state(state["trace"])
        if self.entries is not None:
            self.entries.load_state(state["entries"])
        self.best_weights = {key: v.to(self.device) for key, v in state["best_weights"].items()}
        self.val_scores = {key: value.numpy() for key, value in state["val_scores"].items()}

    def _check_weights(self) -> None:
        """Refuse weights that are not finite, which the loss and the logits need not show."""
        named = dict(self.classifier.named_parameters())
        finite = torch.stack([parameter.isfinite().all() for parameter in named.values()])
        if bool(finite.all()):
            return
        broken = [name for name, good in zip(named, finite.tolist(), strict=True) if not good]
        exact = self.settings.precision == "fp32"
        raise UserError(
            f"{self.settings.name}: {len(broken)} of the network's {len(named)} parameters are not "
            f"finite after {len(self.history)} epochs and {self.step} steps, {broken[0]} first, "
            f"though the loss is; try a lower learning_rate{'' if exact else ' or precision fp32'}"
        )

    def _save(self, *, wait: bool = False) -> None:
        """Write a checkpoint, unless the state is one from which no good run can come."""
        self._check_finite(wait=True)
        self._check_weights()
        self.checkpoint.save(self.state(), wait=wait)

    def _stop_if_asked(self) -> None:
        if self.stop():
            self._save(wait=True)
            raise Interrupted(
                f"{self.settings.name}: asked to stop after {len(self.history)} epochs and "
                f"{self.step} steps; the same command goes on from there"
            )

    # ----------------------------------------------------------------------------------------------
    # The whole
    # ----------------------------------------------------------------------------------------------

    def _finished(self) -> bool:
        settings, history = self.settings, self.history
        return len(history) == settings.epochs or (
            len(history) > 0
            and should_stop(
                history,
                settings.selection,
                settings.early_stop_gap,
                settings.early_stop_patience,
            )
        )

    def run(self) -> Result:
        """Train, validate after each epoch, stop early where asked, score the selected weights."""
        with Progress(
            total=self.settings.epochs * self.steps_per_epoch,
            initial=len(self.history) * self.steps_per_epoch + self.step,
            desc=self.settings.name,
            unit="step",
            mininterval=1,
        ) as progress:
            while not self._finished():
                epoch = len(self.history) + 1
                self._train_epoch(epoch, progress)
                self._close_epoch(epoch)
                self._show_loss(progress, self.history[-1]["loss"])
        self.checkpoint.finish()
        self.classifier.load_state_dict(self.best_weights)
        test_images = self.data.test_images
        return Result(
            history=self.history,
            weights={key: value.cpu() for key, value in self.best_weights.items()},
            val=self.val_scores["best"],
            test=self._scores(self._load(test_images), np.arange(len(test_images))),
            val_first=self.val_scores["first"],
            val_last=self.val_scores["last"],
            trace=self.trace.values[: len(self.history) * self.steps_per_epoch].cpu().numpy(),
            steps_per_epoch=self.steps_per_epoch,
        )
