"""An epoch of the first phase of LinearInit on features of COCO's size, in seconds.

65,665 training rows of 2,048 float32 features and 80 classes, read from a file as a run reads them,
one processor thread, batches of 8 and of 16. An epoch is what one more epoch adds to the phase: its
steps and its validation on 16,416 rows. The best of three, since others may want the core.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from spml import losses
from spml.plumbing.allocator import keep_freed_memory
from spml.training.linear_init import HeadTrainer
from spml.training.models import LinearHead

TRAIN_ROWS, VAL_ROWS, FEATURES, CLASSES = 65_665, 16_416, 2_048, 80
METHODS = {"an": {}, "ll_cp": {"delta_rel": 0.2}}
TARGET = 5.0


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


def phase_seconds(features: np.ndarray, loss_name: str, batch_size: int, epochs: int) -> float:
    """Of a phase of so many epochs."""
    torch.manual_seed(0)
    truth = np.random.default_rng(0).random((len(features), CLASSES)) < 0.036
    loss = losses.build(
        loss_name,
        num_classes=CLASSES,
        num_examples=TRAIN_ROWS,
        total_epochs=epochs,
        **METHODS[loss_name],
    )
    rows = np.random.default_rng(1).permutation(len(features))
    started = time.perf_counter()
    HeadTrainer(
        LinearHead(FEATURES, CLASSES),
        loss,
        features,
        train_rows=np.sort(rows[:TRAIN_ROWS]),
        val_rows=np.sort(rows[TRAIN_ROWS:]),
        truth=truth,
        observed=truth.astype(np.int8),
        batch_size=batch_size,
        learning_rate=0.001,
        seed=0,
        name="benchmark",
        device=torch.device("cpu"),
    ).run()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        features = write_features(Path(folder) / "features.npy")
        for loss_name in METHODS:
            for batch_size in (8, 16):
                turns = [
                    [phase_seconds(features, loss_name, batch_size, epochs) for epochs in (1, 2)]
                    for _ in range(3)
                ]
                one, two = np.min(turns, axis=0)
                print(
                    f"{loss_name}, batches of {batch_size}: {two - one:.1f} s an epoch "
                    f"(below {TARGET:.0f} s wanted)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
