"""The training loop: one classifier, one loss, one seed.

Everything random is drawn from generators that depend on the seed and the epoch alone, never on
what happened before. So run k of every method sees the same initial weights and the same order of
images, and differences between methods are paired.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import softplus
from tqdm import tqdm

from spml.errors import UserError
from spml.images import flip_some, normalise
from spml.label_rows import label_rows
from spml.losses import Loss
from spml.matrices import Matrix, dense
from spml.metrics import mean_average_precision
from spml.models import Classifier
from spml.packed import Images
from spml.randomness import FLIPS, ORDER, generator
from spml.selection import select_epoch, should_stop

TRACE_COLUMNS = (
    "loss",
    "true_negative_loss",
    "false_negative_loss",
    "lowest_logit",
    "highest_logit",
)
STEPS_BETWEEN_CHECKS = 50


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


@dataclass(frozen=True)
class Data:
    """What a run reads.

    train_images (N, H, W, channels) uint8 of the official training split, of which ``train_rows``
    and ``val_rows`` are the rows to train and to validate on; test_images likewise.
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


@dataclass
class _Best:
    """Weights and validation scores of the best epoch so far."""

    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    val: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


def _make_optimizer(
    classifier: Classifier, loss: Loss, settings: Settings
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
        return torch.optim.SGD(
            groups, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
        )
    return torch.optim.Adam(groups, weight_decay=settings.weight_decay, fused=True)


class Trainer:
    """One run in the making: holds the classifier, the loss, the optimiser and the records."""

    def __init__(
        self,
        classifier: Classifier,
        loss: Loss,
        data: Data,
        settings: Settings,
        device: torch.device,
    ) -> None:
        # Channels last is the layout in which convolutions are fastest on both kinds of device.
        self.classifier = classifier.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = loss.to(device)
        self.data = data
        self.settings = settings
        self.device = device
        self.optimizer = _make_optimizer(self.classifier, self.loss, settings)
        rows = data.train_rows
        self.observed = label_rows(data.observed, rows, device)
        self.truth = label_rows(data.truth, rows, device)
        self.steps_per_epoch = -(-len(rows) // settings.batch_size)
        self._last_map = ""
        self.trace = torch.zeros(
            (settings.epochs * self.steps_per_epoch, len(TRACE_COLUMNS)), device=device
        )

    def _inputs(self, images: Images, rows: np.ndarray) -> torch.Tensor:
        """Normalised images of ``rows`` on the device, (B, channels, H, W), channels last."""
        batch = torch.from_numpy(images[rows]).to(self.device, non_blocking=True)
        return normalise(batch.permute(0, 3, 1, 2), self.settings.mean, self.settings.deviation)

    def _batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Augmented training images with their rows in the training split, in shuffled order."""
        count = len(self.data.train_rows)
        order = torch.randperm(count, generator=generator(self.settings.seed, epoch, ORDER))
        flips = torch.rand(count, generator=generator(self.settings.seed, epoch, FLIPS)) < 0.5
        for index in order.split(self.settings.batch_size):
            inputs = self._inputs(self.data.train_images, self.data.train_rows[index.numpy()])
            if self.settings.flip:
                inputs = flip_some(inputs, flips[index].to(self.device))
            yield inputs, index.to(self.device)

    def _predict_training(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Logits of the training split as a loss may ask for them after an epoch."""
        self.classifier.eval()
        with torch.no_grad():
            for inputs, index in self._batches(epoch):
                yield self.classifier(inputs), index
        self.classifier.train()

    def scores(self, images: Images, rows: np.ndarray) -> np.ndarray:
        """Probabilities (len(rows), C) float32 in evaluation mode."""
        self.classifier.eval()
        batches = np.array_split(rows, max(1, -(-len(rows) // (4 * self.settings.batch_size))))
        with torch.no_grad():
            logits = torch.cat([self.classifier(self._inputs(images, batch)) for batch in batches])
        result = torch.sigmoid(logits.float()).cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError(f"{self.settings.name}: scores of the trained network are not finite")
        return result

    def _record(
        self, step: int, loss: torch.Tensor, logits: torch.Tensor, index: torch.Tensor
    ) -> None:
        """Write one row of the trace without waiting for the device.

        The cost of a negative, log(1 + exp(z)), is averaged over entries that are truly negative
        and over those that are positive but unobserved: what assume-negative training would pay.
        """
        logits = logits.detach()
        cost = softplus(logits)
        negative = ~self.truth[index]
        missed = self.truth[index] & (self.observed[index] != 1)
        lowest, highest = logits.aminmax()
        self.trace[step] = torch.stack(
            (
                loss.detach(),
                (cost * negative).sum() / negative.sum(),
                (cost * missed).sum() / missed.sum(),
                lowest,
                highest,
            )
        )

    def _check_finite(self, first: int, last: int) -> None:
        """Stop at the first step in [first, last) whose loss or logits were not finite."""
        watched = [TRACE_COLUMNS.index(c) for c in ("loss", "lowest_logit", "highest_logit")]
        values = self.trace[first:last, watched]
        if bool(torch.isfinite(values).all()):
            return
        offset = int(torch.nonzero(~torch.isfinite(values).all(dim=1))[0])
        loss, lowest, highest = (float(value) for value in values[offset])
        epoch, step = divmod(first + offset, self.steps_per_epoch)
        raise UserError(
            f"{self.settings.name}: not finite in epoch {epoch + 1}, step {step + 1}: loss {loss}, "
            f"logits from {lowest} to {highest}; try a lower learning_rate"
        )

    def _train_epoch(self, epoch: int, progress: tqdm) -> None:
        self.classifier.train()
        frozen = epoch <= self.loss.frozen_epochs
        self.classifier.backbone.requires_grad_(not frozen)
        first = (epoch - 1) * self.steps_per_epoch
        checked = first
        for step, (inputs, index) in enumerate(self._batches(epoch), start=first):
            logits = self.classifier(inputs)
            loss = self.loss(logits, self.observed[index], index=index, epoch=epoch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self._record(step, loss, logits, index)
            if step + 1 - checked == STEPS_BETWEEN_CHECKS:
                self._check_finite(checked, step + 1)
                checked = step + 1
                progress.set_postfix_str(f"loss {loss.item():.4f}{self._last_map}", refresh=False)
            progress.update()
        self._check_finite(checked, first + self.steps_per_epoch)

    def _validate(self, epoch: int, scores: np.ndarray) -> dict[str, Any]:
        rows = self.data.val_rows
        steps = slice((epoch - 1) * self.steps_per_epoch, epoch * self.steps_per_epoch)
        annotated = self.data.annotated
        ignore = None if annotated is None else ~dense(annotated[rows])
        observed = dense(self.data.observed[rows]) == 1
        return {
            "epoch": epoch,
            "loss": float(self.trace[steps, 0].double().mean()),
            "val_map": mean_average_precision(scores, dense(self.data.truth[rows]), ignore),
            "val_map_observed": mean_average_precision(scores, observed, ignore),
            "learning_rates": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": self.loss.schedule(epoch),
        }

    def run(self) -> Result:
        """Train, validate after each epoch, stop early where asked, score the selected weights."""
        settings, data = self.settings, self.data
        history: list[dict[str, Any]] = []
        best = _Best()
        first_scores = np.zeros((0, 0), dtype=np.float32)
        with tqdm(
            total=settings.epochs * self.steps_per_epoch,
            desc=settings.name,
            unit="step",
            mininterval=1,
        ) as progress:
            for epoch in range(1, settings.epochs + 1):
                self._train_epoch(epoch, progress)
                self.loss.after_epoch(epoch, functools.partial(self._predict_training, epoch))
                scores = self.scores(data.train_images, data.val_rows)
                history.append(self._validate(epoch, scores))
                self._last_map = f", val mAP {history[-1]['val_map']:.2f}"
                progress.set_postfix_str(f"loss {history[-1]['loss']:.4f}{self._last_map}")
                if epoch == 1:
                    first_scores = scores
                if select_epoch(history, settings.selection) == epoch:
                    state = self.classifier.state_dict()
                    best = _Best({k: v.detach().clone() for k, v in state.items()}, scores)
                if should_stop(history, settings.selection, settings.early_stop_gap):
                    break
        self.classifier.load_state_dict(best.weights)
        return Result(
            history=history,
            weights={key: value.cpu() for key, value in best.weights.items()},
            val=best.val,
            test=self.scores(data.test_images, np.arange(len(data.test_images))),
            val_first=first_scores,
            val_last=scores,
            trace=self.trace[: len(history) * self.steps_per_epoch].cpu().numpy(),
            steps_per_epoch=self.steps_per_epoch,
        )
