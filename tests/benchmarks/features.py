"""How near extracting features comes to its limit, in pictures a second.

(a) the bare forward pass of ResNet-50 on one resident batch of pictures at 448 pixels, over and
over, by as many threads as (b) uses; (b) ``spml.features`` from packed pictures in a file, as a run
reads them. The weights are random, which changes no time. Turn by turn, so that both see the same
machine.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from spml import features
from spml.training.models import build_classifier

SIZE = 448
TARGET = 95


def bare_rate(backbone: torch.nn.Module, device: torch.device, workers: int, batches: int) -> float:
    """Pictures a second of the forward pass alone."""
    count = features.BATCH_SIZE
    inputs = torch.rand(count, 3, SIZE, SIZE, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward(_: int) -> None:
        backbone(inputs).mean(dim=(2, 3)).cpu()

    started = time.perf_counter()
    with ThreadPoolExecutor(workers if device.type == "cpu" else 1) as pool:
        list(pool.map(forward, range(batches)))
    return batches * count / (time.perf_counter() - started)


def extraction_rate(
    backbone: torch.nn.Module, images: np.ndarray, device: torch.device, workers: int
) -> float:
    """Pictures a second of the whole."""
    started = time.perf_counter()
    for _ in features.extract_features(
        backbone, images, mean=[0.5] * 3, deviation=[0.2] * 3, device=device, workers=workers
    ):
        pass
    return len(images) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=4, help="of 64 pictures, a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--architecture", default="resnet50")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    backbone = build_classifier(arguments.architecture, 1).backbone
    backbone = backbone.to(device).to(memory_format=torch.channels_last).eval()
    count = arguments.batches * features.BATCH_SIZE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.npy"
        images = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.uint8, shape=(count, SIZE, SIZE, 3)
        )
        images[:] = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
        images.flush()
        mapped = np.load(path, mmap_mode="r")
        turns = [
            (
                bare_rate(backbone, device, arguments.workers, arguments.batches),
                extraction_rate(backbone, mapped, device, arguments.workers),
            )
            for _ in range(arguments.turns)
        ]
    bare, whole = np.median(turns, axis=0)
    share = 100 * np.median([b / a for a, b in turns])
    print(
        f"{arguments.architecture} at {SIZE} pixels, {arguments.device}, {arguments.workers} workers: "
        f"{whole:.2f} pictures a second, forward pass alone {bare:.2f}: {share:.0f} % "
        f"(at least {TARGET} % wanted)"
    )


if __name__ == "__main__":
    main()
