"""Stage *features*: what the untrained backbone makes of each image of one official split.

Computed once for a dataset and its backbone, and shared by every run that trains a head on them:
the first phase of LinearInit, and all runs whose backbone is frozen. A process that was killed goes
on behind the last batch that it wrote.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spml.data.labels import SPLITS
from spml.data.packed import Images, load_packed
from spml.plumbing.checksums import file_checksum, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import read_json, write_json
from spml.plumbing.machine import Machine
from spml.plumbing.progress import Progress
from spml.training.devices import claim_device
from spml.training.images import Normaliser
from spml.training.loading import load_images
from spml.training.models import build_classifier, load_backbone, pooled
from spml.training.precision import configure
from spml.training.provenance import code_and_versions

BATCH_SIZE = 64


def _batches_on_gpu(
    compute: Callable[[torch.Tensor], np.ndarray],
    images: Images,
    starts: range,
    device: torch.device,
    workers: int,
) -> Iterator[np.ndarray]:
    """One thread computes; ``workers`` read ahead of it."""
    loaded = load_images(images, device, resident_megabytes=0, workers=workers)
    rows = np.arange(starts.start, len(images))
    sizes = [min(BATCH_SIZE, len(images) - start) for start in starts]
    yield from map(compute, loaded.batches(rows, sizes))


def _batches_on_cpu(
    compute: Callable[[torch.Tensor], np.ndarray], images: Images, starts: range, workers: int
) -> Iterator[np.ndarray]:
    """Each of ``workers`` threads reads and computes whole batches.

    So no sum is divided among cores, and the bytes are the same with any number of them.
    """

    def work(start: int) -> np.ndarray:
        # A copy, since mapped memory is read-only and torch wants to be able to write.
        return compute(torch.from_numpy(np.array(images[start : start + BATCH_SIZE])))

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[np.ndarray]] = deque()
        try:
            for start in starts:
                waiting.append(pool.submit(work, start))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def extract_features(
    backbone: torch.nn.Module,
    images: Images,
    *,
    mean: list[float],
    deviation: list[float],
    device: torch.device,
    workers: int = 1,
    first: int = 0,
) -> Iterator[np.ndarray]:
    """What the backbone makes of images in evaluation mode, without augmentation.

    Spatial means of its map of features, or the vector that it makes itself.

    images: (N, H, W, channels) uint8. workers: threads that compute on a CPU, or that read for a
    GPU. first: the image to begin with, a multiple of ``BATCH_SIZE``.
    Yields (B, features) float32, in the order of the images.
    """
    backbone = backbone.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    normalise = Normaliser(mean, deviation, device)

    @torch.inference_mode()
    def compute(batch: torch.Tensor) -> np.ndarray:
        vectors = pooled(backbone(normalise(batch.permute(0, 3, 1, 2))))
        # The class token of a transformer lies among those of its patches.
        found: np.ndarray = vectors.contiguous().cpu().numpy()
        return found

    starts = range(first, len(images), BATCH_SIZE)
    if device.type == "cuda":
        return _batches_on_gpu(compute, images, starts, device, workers)
    return _batches_on_cpu(compute, images, starts, workers)


class PartialFeatures:
    """Rows of features beside where all of them will lie, in the form of ``.npy``.

    identity: what they are made from. Rows that were made from something else are dropped.
    """

    def __init__(self, output: Path, shape: tuple[int, int], identity: dict[str, Any]) -> None:
        self.output = output
        self.path = output.with_name(f".{output.stem}-part{output.suffix}")
        self.origin = self.path.with_suffix(".json")
        output.parent.mkdir(parents=True, exist_ok=True)
        if not (self.path.exists() and self._of(identity)):
            self.path.unlink(missing_ok=True)
            write_json(self.origin, identity)
            with self.path.open("wb") as file:
                # np.save would need all of them at once.
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
        with self.path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
        row = 4 * shape[1]
        self.rows = (self.path.stat().st_size - begin) // row
        if self.rows < shape[0]:
            self.rows -= self.rows % BATCH_SIZE
        self._end = begin + self.rows * row

    def _of(self, identity: dict[str, Any]) -> bool:
        try:
            return bool(read_json(self.origin) == identity)
        except UserError:
            return False

    def write(self, batches: Iterator[np.ndarray], progress: Progress) -> None:
        """Append the batches that are still missing, and put the whole where it belongs."""
        with self.path.open("r+b") as file:
            file.truncate(self._end)
            file.seek(self._end)
            for batch in batches:
                file.write(batch.data)
                file.flush()
                progress.update(len(batch))
        self.path.replace(self.output)
        self.origin.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.features", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="see the rule")
    parser.add_argument("--images", required=True, help="manifest of the packed images (.json)")
    parser.add_argument("--split", required=True, choices=SPLITS)
    parser.add_argument("--backbone", required=True, help="state dict of the backbone (.pt)")
    parser.add_argument(
        "--machine", type=json.loads, default={}, help="how to use this computer, as JSON"
    )
    parser.add_argument("--workers", type=int, default=1, help="threads; no byte depends on it")
    parser.add_argument("--output", required=True, type=Path, help="the .npy to write")
    arguments = parser.parse_args()
    settings = arguments.settings
    torch.set_num_threads(settings["threads"])
    claim = claim_device(settings["device"], Machine(**arguments.machine).runs_per_gpu)
    configure("fp32", deterministic=False, device=claim.device)
    images: Images = getattr(load_packed(arguments.images), arguments.split)
    classifier = build_classifier(settings["architecture"], 1, size=images.shape[1])
    load_backbone(classifier, arguments.backbone)
    identity = {
        **settings,
        "device": claim.device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "split": arguments.split,
        "images_from": file_checksum(Path(arguments.images)),
        "backbone": file_checksum(Path(arguments.backbone)),
        **code_and_versions("spml.features"),
    }
    width = next(classifier.head.parameters()).shape[1]
    partial = PartialFeatures(arguments.output, (len(images), width), identity)
    resumed = partial.rows
    batches = extract_features(
        classifier.backbone,
        images,
        mean=settings["images"]["mean"],
        deviation=settings["images"]["deviation"],
        device=claim.device,
        workers=max(1, arguments.workers // settings["threads"]),
        first=partial.rows,
    )
    with Progress(
        total=len(images), initial=resumed, desc=arguments.split, unit="image", mininterval=1
    ) as progress:
        partial.write(batches, progress)
    write_checksums(arguments.output)
    went_on = f", {resumed} of them from before" if resumed else ""
    print(f"{len(images)} rows of {width} features{went_on}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
