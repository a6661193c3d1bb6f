"""Runs of the training loop on a task small enough to finish at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from spml import losses
from spml.plumbing.machine import Machine
from spml.training.checkpoint import Checkpoint
from spml.training.engine import Data, Result, Settings, Trainer
from spml.training.entries import EntryRecord
from spml.training.models import build_classifier

CLASSES = 4
TRAINING = 45
CPU = torch.device("cpu")
OPTIONS = {
    "epochs": 3,
    "batch_size": 8,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "head_learning_rate_multiplier": 1.0,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "early_stop_gap": None,
    "selection": "clean",
}


def make_data(seed: int = 0) -> Data:
    """Pictures in which class c is a bright quarter; one positive an image is observed."""
    random = np.random.default_rng(seed)
    truth = random.random((60, CLASSES)) < 0.4
    truth[~truth.any(axis=1), 0] = True
    images = random.integers(0, 60, (60, 16, 16, 1)).astype(np.uint8)
    for row, column in np.argwhere(truth):
        top, left = 8 * (column // 2), 8 * (column % 2)
        images[row, top : top + 8, left : left + 8] += 150
    observed = np.zeros((60, CLASSES), dtype=np.int8)
    observed[np.arange(60), truth.argmax(axis=1)] = 1
    rows = np.arange(60)
    return Data(images, images[:10], rows[:TRAINING], rows[TRAINING:], truth, observed)


def make_settings(**changes: Any) -> Settings:
    values = {
        **OPTIONS,
        "flip": False,
        "mean": [0.2],
        "deviation": [0.3],
        "seed": 0,
        "name": "test/run",
    }
    return Settings(**{**values, **changes})


def make_trainer(
    loss: str = "an",
    data: Data | None = None,
    hyperparameters: dict[str, Any] | None = None,
    *,
    architecture: str = "digit_network",
    device: torch.device = CPU,
    kind: type[Trainer] = Trainer,
    machine: Machine | None = None,
    checkpoint: Checkpoint | None = None,
    entries: EntryRecord | None = None,
    stop: Callable[[], bool] = lambda: False,
    **changes: Any,
) -> Trainer:
    """A trainer of ``kind``; ``changes`` are settings that differ from the usual ones."""
    settings = make_settings(**changes)
    torch.manual_seed(settings.seed)
    return kind(
        build_classifier(architecture, CLASSES),
        losses.build(
            loss,
            num_classes=CLASSES,
            num_examples=TRAINING,
            total_epochs=settings.epochs,
            **(hyperparameters or {}),
        ),
        data or make_data(),
        settings,
        device,
        machine=machine,
        checkpoint=checkpoint,
        entries=entries,
        stop=stop,
    )


def same(first: Result, second: Result) -> bool:
    """Whether two results are equal to the last bit."""
    arrays = ("val", "test", "val_first", "val_last", "trace")
    return (
        first.history == second.history
        and all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in arrays)
        and all(torch.equal(first.weights[key], second.weights[key]) for key in first.weights)
    )
