"""Processor seconds of an epoch of a head on features of COCO's size, by loss.

65,665 training rows of 2,048 float32 features and 80 classes, read from a file as a run reads them,
one processor thread, batches of 16. An epoch is what one more epoch adds to a run: its steps and its
validation on 16,416 rows; of it, how much is the steps without the loss (AN's). Two kinds of run train
heads: those whose backbone is frozen, and the first phase of LinearInit. The least of ``--turns``.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from spml import losses
from spml.losses.base import Loss
from spml.plumbing.allocator import keep_freed_memory
from spml.training.engine import Data, Settings, Trainer
from spml.training.linear_init import HeadTrainer
from spml.training.models import LinearHead, build_frozen_classifier

TRAIN_ROWS, VAL_ROWS, TEST_ROWS, FEATURES, CLASSES = 65_665, 16_416, 16, 2_048, 80
BATCH_SIZE = 16
METHODS: dict[str, dict[str, Any]] = {
    "an": {},
    "gr": {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1},
    "ll_r": {"delta_rel": 0.4},
    "ll_cp": {"delta_rel": 0.2},
    "role": {"expected_positives": 2.9},
    "em_apl": {"alpha": 0.1, "beta": 0.2, "warmup_epochs": 1},
}
TARGET = 3.0


def write_features(path: Path) -> np.ndarray:
    """Noise in a file, memory-mapped."""
    shape = (TRAIN_ROWS + VAL_ROWS, FEATURES)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    random = np.random.default_rng(0)
    for start in range(0, len(features), 4096):
        part = features[start : start + 4096]
        part[:] = random.random(part.shape, dtype=np.float32)
    features.flush()
    return np.load(path, mmap_mode="r")


def make_data(features: np.ndarray) -> Data:
    """Labels as rare as COCO's, one of them observed."""
    truth = np.random.default_rng(0).random((len(features), CLASSES)) < 0.036
    observed = np.zeros(truth.shape, np.int8)
    observed[np.arange(len(truth)), truth.argmax(axis=1)] = 1
    rows = np.random.default_rng(1).permutation(len(features))
    images = features.view(np.uint8)
    return Data(
        train_images=images,
        test_images=images[:TEST_ROWS],
        train_rows=np.sort(rows[:TRAIN_ROWS]),
        val_rows=np.sort(rows[TRAIN_ROWS:]),
        truth=truth,
        observed=observed,
    )


def frozen_run(data: Data, loss: Loss, epochs: int) -> None:
    """A run whose backbone is frozen."""
    settings = Settings(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        optimizer="adam",
        learning_rate=0.001,
        head_learning_rate_multiplier=1,
        momentum=0.9,
        weight_decay=0,
        early_stop_gap=None,
        selection="clean",
        flip=False,
        mean=(0,),
        deviation=(1,),
        seed=0,
        name="benchmark",
        frozen=True,
    )
    classifier = build_frozen_classifier(FEATURES, CLASSES)
    Trainer(classifier, loss, data, settings, torch.device("cpu")).run()


def first_phase(data: Data, loss: Loss, epochs: int) -> None:
    """The first phase of LinearInit."""
    HeadTrainer(
        LinearHead(FEATURES, CLASSES),
        loss,
        data.train_images.view(np.float32),
        train_rows=data.train_rows,
        val_rows=data.val_rows,
        truth=data.truth,
        observed=data.observed,
        batch_size=BATCH_SIZE,
        learning_rate=0.001,
        seed=0,
        name="benchmark",
        device=torch.device("cpu"),
    ).run()


def seconds(train: Callable[[Data, Loss, int], None], data: Data, name: str, epochs: int) -> float:
    """Processor seconds of so many epochs."""
    torch.manual_seed(0)
    loss = losses.build(
        name,
        num_classes=CLASSES,
        num_examples=TRAIN_ROWS,
        total_epochs=epochs,
        **METHODS[name],
    )
    started = time.process_time()
    train(data, loss, epochs)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(write_features(Path(folder) / "features.npy"))
        for train in (frozen_run, first_phase):
            for name in arguments.methods:
                turns = [
                    [seconds(train, data, name, epochs) for epochs in (2, 3)]
                    for _ in range(arguments.turns)
                ]
                two, three = np.min(turns, axis=0)
                print(
                    f"{train.__name__} {name}: {three - two:.1f} s an epoch (below {TARGET:.0f} s "
                    "wanted)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
