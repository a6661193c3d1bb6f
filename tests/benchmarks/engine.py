"""How near the training loop comes to the network's own limit, on one CPU thread or a GPU.

In one run, in turns, on made-up pictures of the embedded dataset's size: (a) forward, loss, backward
and update on one batch that stays where it is; (b) epochs of the training loop with everything it
does. Prints images a second of both and their ratio.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from spml import losses
from spml.engine import Data, Settings, Trainer
from spml.models import build_classifier

IMAGES, CLASSES = 2000, 10


def make_trainer(batch_size: int, device: torch.device, size: int) -> Trainer:
    random = np.random.default_rng(0)
    truth = random.random((IMAGES + 100, CLASSES)) < 0.23
    data = Data(
        train_images=random.integers(0, 256, (IMAGES + 100, size, size, 1)).astype(np.uint8),
        test_images=random.integers(0, 256, (100, size, size, 1)).astype(np.uint8),
        train_rows=np.arange(IMAGES),
        val_rows=np.arange(IMAGES, IMAGES + 100),
        truth=truth,
        observed=truth.astype(np.int8),
    )
    settings = Settings(
        epochs=1, batch_size=batch_size, optimizer="adam", learning_rate=1e-3,
        head_learning_rate_multiplier=10, momentum=0.9, weight_decay=0, early_stop_gap=None,
        selection="clean", flip=False, mean=(0.1,), deviation=(0.25,), seed=0, name="bench",
    )  # fmt: skip
    loss = losses.build("an", num_classes=CLASSES, num_examples=IMAGES, total_epochs=1)
    return Trainer(build_classifier("digit_network", CLASSES), loss, data, settings, device)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def resident_rate(trainer: Trainer) -> float:
    """Images a second when one batch is stepped on over and over."""
    inputs, index = next(iter(trainer._batches(1)))
    labels = trainer.observed[index]
    trainer.classifier.train()
    synchronise(trainer.device)
    started = time.perf_counter()
    for _ in range(trainer.steps_per_epoch):
        loss = trainer.loss(trainer.classifier(inputs), labels, index=index, epoch=1)
        trainer.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        trainer.optimizer.step()
    synchronise(trainer.device)
    return trainer.steps_per_epoch * len(inputs) / (time.perf_counter() - started)


def engine_rate(trainer: Trainer) -> float:
    """Images a second of one whole run of one epoch, validation and test included."""
    synchronise(trainer.device)
    started = time.perf_counter()
    trainer.run()
    synchronise(trainer.device)
    return IMAGES / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=24, help="height and width in pixels (24)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    print("batch   (a) one batch   (b) training loop   (b)/(a)")
    for batch_size in (16, 32, 64):
        trainer = make_trainer(batch_size, device, arguments.size)
        engine_rate(trainer)  # warm-up
        pairs = [(resident_rate(trainer), engine_rate(trainer)) for _ in range(arguments.repeats)]
        limit, engine = (median(values) for values in zip(*pairs, strict=True))
        ratio = median(b / a for a, b in pairs)
        print(f"{batch_size:5d} {limit:11.0f} img/s {engine:13.0f} img/s {ratio:9.2f}")


if __name__ == "__main__":
    main()
