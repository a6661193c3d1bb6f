"""Packed batches against the papers' pipeline: images a second on one core, same pictures, 448 px.

The pipeline is that of the released code: open, convert to RGB, resize, flip at random, make a
tensor, normalise, one image at a time, then stack. A packed batch is read as it is; flips and
normalisation happen on the training device, in batch. Pictures are the real ones beside the
checkout, or noise of the size of a photograph.
"""

import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from PIL import Image
from spml.data.packed import load_packed
from spml.pack import pack
from torchvision import transforms

SIZE = 448
BATCH = 16
TARGET = 50
ARCHIVE = Path(__file__).parents[3] / "shared/data/mini_coco_mirror/zips/train2014.zip"


def write_pictures(folder: Path) -> list[str]:
    """Write 128 pictures into ``folder``; their names."""
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(folder)
    else:
        random = np.random.default_rng(0)
        for number in range(128):
            coarse = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
            picture.save(folder / f"{number:03d}.jpg", quality=90)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def rate(read: Callable[[np.ndarray], torch.Tensor], count: int, passes: int) -> float:
    """Images a second over shuffled batches; the best of three, others may want the core."""
    best = 0.0
    for seed in range(3):
        random = np.random.default_rng(seed)
        started = time.perf_counter()
        for _ in range(passes):
            for rows in np.split(random.permutation(count), count // BATCH):
                read(rows)
        best = max(best, passes * count / (time.perf_counter() - started))
    return best


def main() -> None:
    torch.set_num_threads(1)
    pipeline = transforms.Compose(
        [
            transforms.Resize((SIZE, SIZE)),
            transforms.RandomHorizontalFlip(0.5),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_pictures(folder)
        options = {"root": folder, "size": SIZE, "origin": "", "processes": 1}
        manifest = folder / "packed/manifest.json"
        content = pack(manifest.parent, {"train": paths, "test": paths[:1]}, **options)
        manifest.write_text(json.dumps(content))
        packed = load_packed(manifest).train

        def one_by_one(rows: np.ndarray) -> torch.Tensor:
            images = []
            for row in rows:
                with Image.open(folder / paths[row]) as image:
                    images.append(pipeline(image.convert("RGB")))
            return torch.stack(images)

        def in_batch(rows: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(packed[rows])

        slow = rate(one_by_one, len(paths), 1)
        fast = rate(in_batch, len(paths), 20)
    print(
        f"papers' pipeline {slow:.0f} images/s, packed batches {fast:.0f} images/s: "
        f"{fast / slow:.0f} x (at least {TARGET} x wanted)"
    )


if __name__ == "__main__":
    main()
