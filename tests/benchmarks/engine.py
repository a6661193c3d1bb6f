"""How near the training loop comes to what the network itself allows, and to the papers' loop.

For ResNet-50 at 448 pixels (on a GPU) and for the embedded dataset's network (on one CPU thread):

(a) the limit: forward, loss, backward and update on one prepared batch that stays on the device;
(b) the training loop on packed images, which it reads from a file as it goes, with all its records;
(c) a loop written as the papers' code is: PIL decodes and resizes each JPEG in four workers, torch's
    own float32 settings (convolutions may use TensorFloat-32), one value read by the host each step.
    Its workers start once and read ahead from turn to turn, as within one long epoch.

(a) and (b) take turns in one process, (c) runs in another; medians of several turns, of which the
first, with its start, does not count. (a) and (b) pass through the network as --ways say: kernel by
kernel, from CUDA graphs, or compiled. Memory is the most that the process had. Prints a Markdown
table; --json keeps the figures, as they come. Needs torch and torchvision alone.

All of it is meant to end within --minutes: each measure has an equal share of what is left, and takes
turns until it is used up, one at least. So more combinations (--batches, --precisions, --ways) have
fewer turns each, and a device on which one turn takes longer than the share needs more time.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from spml import losses
from spml.plumbing.allocator import keep_freed_memory
from spml.plumbing.machine import Machine
from spml.plumbing.progress import Progress
from spml.training.engine import Data, Settings, Trainer
from spml.training.models import build_classifier
from spml.training.precision import PRECISIONS, configure

RESNET = {"architecture": "resnet50", "size": 448, "channels": 3, "classes": 20}
DIGITS = {"architecture": "digit_network", "size": 24, "channels": 1, "classes": 10}
MEGABYTE = 1 << 20
WAYS = {
    "plain": {"compile": False, "cuda_graphs": False},
    "graphs": {"compile": False, "cuda_graphs": True},
    "compiled": {"compile": True, "cuda_graphs": False},
    "compiled_graphs": {"compile": True, "cuda_graphs": True},
}


def peak_memory(device: torch.device) -> dict[str, int]:
    """Of this process, in MB."""
    on_gpu = device.type == "cuda"
    return {
        "host_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "device_mb": torch.cuda.max_memory_allocated(device) // MEGABYTE if on_gpu else 0,
    }


def now(device: torch.device) -> float:
    """Seconds: of the clock once a GPU is done, of this process alone where it computes itself.

    Others may want the same cores.
    """
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


# --------------------------------------------------------------------------------------------------
# The limit and the training loop
# --------------------------------------------------------------------------------------------------


def used_up(case: dict[str, Any]) -> bool:
    """Whether the process has had its share of the time."""
    return time.monotonic() - case["spawned"] > case["seconds"]


def write_images(path: Path, case: dict[str, Any]) -> np.ndarray:
    """Noise in a file, memory-mapped; images that are small anyway stay in memory."""
    shape = (case["images"], case["size"], case["size"], case["channels"])
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    random = np.random.default_rng(0)
    for start in range(0, len(images), 64):
        part = images[start : start + 64]
        part[:] = random.integers(0, 256, part.shape, dtype=np.uint8)
    images.flush()
    return np.load(path, mmap_mode="r")


def make_trainer(case: dict[str, Any], images: np.ndarray) -> Trainer:
    count, classes = case["images"], case["classes"]
    truth = np.random.default_rng(0).random((count, classes)) < 0.2
    data = Data(
        train_images=images,
        test_images=images[:1],
        train_rows=np.arange(count),
        val_rows=np.arange(1),
        truth=truth,
        observed=truth.astype(np.int8),
    )
    settings = Settings(
        epochs=1 + case["turns"],
        batch_size=case["batch"],
        optimizer="adam",
        learning_rate=1e-5,
        head_learning_rate_multiplier=10,
        momentum=0.9,
        weight_decay=0,
        early_stop_gap=None,
        selection="clean",
        flip=case["channels"] == 3,
        mean=(0.45,) * case["channels"],
        deviation=(0.25,) * case["channels"],
        seed=0,
        name="benchmark",
        precision=case["precision"],
        **WAYS[case["way"]],
    )
    device = torch.device(case["device"])
    configure(settings.precision, deterministic=False, device=device)
    loss = losses.build("an", num_classes=classes, num_examples=count, total_epochs=settings.epochs)
    classifier = build_classifier(case["architecture"], classes)
    return Trainer(classifier, loss, data, settings, device, machine=Machine(**case["machine"]))


def limit_seconds(trainer: Trainer, steps: int) -> float:
    """Of as many steps on one batch."""
    inputs, index = next(iter(trainer._batches(1)))
    labels = trainer.observed.rows(index)
    trainer.classifier.train()
    started = now(trainer.device)
    for _ in range(steps):
        loss = trainer.loss(trainer._training_logits(inputs, 1), labels, index=index, epoch=1)
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()
    return now(trainer.device) - started


def loop_seconds(trainer: Trainer, epoch: int) -> float:
    """Of one epoch of the training loop."""
    trainer.step = 0
    started = now(trainer.device)
    trainer._train_epoch(epoch, Progress(disable=True))
    return now(trainer.device) - started


def measure_loop(case: dict[str, Any]) -> dict[str, Any]:
    """(a) and (b), in images a second."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(case, write_images(Path(folder) / "images.npy", case))
        steps = trainer.steps_per_epoch
        loop_seconds(trainer, 1)  # warm-up: allocators, algorithms, the compiler
        turns = []
        for epoch in range(2, 2 + case["turns"]):
            # Which comes first changes, so that neither always has the quieter machine.
            if epoch % 2:
                limit, loop = limit_seconds(trainer, steps), loop_seconds(trainer, epoch)
            else:
                loop, limit = loop_seconds(trainer, epoch), limit_seconds(trainer, steps)
            turns.append((steps * case["batch"] / limit, case["images"] / loop))
            if used_up(case):
                break
    return {
        "limit": median(limit for limit, _ in turns),
        "loop": median(loop for _, loop in turns),
        "ratio": median(loop / limit for limit, loop in turns),
        "turns_taken": len(turns),
        **peak_memory(trainer.device),
    }


# --------------------------------------------------------------------------------------------------
# The papers' loop
# --------------------------------------------------------------------------------------------------


def write_photographs(folder: Path, count: int) -> list[str]:
    """JPEGs of the size of VOC's, with the detail of noise that was enlarged."""
    from PIL import Image

    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (75, 100, 3), dtype=np.uint8))
        paths.append(str(folder / f"{number}.jpg"))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


class Photographs(torch.utils.data.Dataset):
    """As in the papers' code: open, convert, resize, flip, make a tensor, normalise."""

    def __init__(self, paths: list[str], size: int, classes: int) -> None:
        from torchvision import transforms

        self.paths = paths
        self.labels = (torch.rand(len(paths), classes) < 0.2).float()
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        from PIL import Image

        with Image.open(self.paths[row]) as image:
            return self.transform(image.convert("RGB")), self.labels[row]


def measure_papers(case: dict[str, Any]) -> dict[str, Any]:
    """(c), in images a second."""
    import torchvision

    device = torch.device(case["device"])
    network = torchvision.models.get_model(case["architecture"], num_classes=case["classes"])
    network = network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-5)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        photographs = Photographs(
            write_photographs(Path(folder), case["images"]), case["size"], case["classes"]
        )
        steps = case["images"] // case["batch"]
        count = (1 + case["turns"]) * steps * case["batch"]
        batches = torch.utils.data.DataLoader(
            photographs,
            batch_size=case["batch"],
            sampler=torch.utils.data.RandomSampler(photographs, num_samples=count),
            num_workers=4,
        )
        started, total = time.perf_counter(), 0.0
        for step, (images, labels) in enumerate(batches, start=1):
            logits = network(images.to(device))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            if step % steps == 0:
                now(device)
                rates.append(steps * case["batch"] / (time.perf_counter() - started))
                if len(rates) > 1 and used_up(case):
                    break
                started = time.perf_counter()
    return {"papers": median(rates[1:]), "turns_taken": len(rates) - 1, **peak_memory(device)}


# --------------------------------------------------------------------------------------------------
# All of it
# --------------------------------------------------------------------------------------------------


def measure_start(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the start of the process until the loop could take its first step."""
    import spml.train  # noqa: F401 - all that a run imports

    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(case, write_images(Path(folder) / "images.npy", case))
        next(iter(trainer._batches(1)))
        now(trainer.device)
    return {"seconds": time.monotonic() - case["spawned"], **peak_memory(trainer.device)}


MEASURES = {"loop": measure_loop, "papers": measure_papers, "start": measure_start}


def in_a_process(measure: str, case: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Measure in a process of its own, whose memory is then that of this measure.

    seconds: how long it may take turns.
    """
    times = {"spawned": time.monotonic(), "seconds": seconds}
    request = json.dumps({**case, "measure": measure, **times})
    done = subprocess.run(
        [sys.executable, __file__, "--case", request],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return {**case, "measure": measure, **json.loads(done.stdout.splitlines()[-1])}


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is measured, after the start: the embedded dataset's network, then ResNet-50."""
    yield "loop", digits(arguments)
    if arguments.device == "cpu" and not arguments.resnet:
        return
    # Nothing stays on the device, as with a dataset that is larger than it.
    machine = {"resident_megabytes": 0}
    resnet = {**common(arguments), **RESNET, "device": arguments.device, "machine": machine}
    resnet["size"] = arguments.size
    for batch in arguments.batches:
        case = {**resnet, "batch": batch, "images": max(arguments.images, 16 * batch)}
        yield "papers", case
        for precision, way in product(arguments.precisions, arguments.ways):
            yield "loop", {**case, "precision": precision, "way": way}


def common(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"turns": arguments.turns, "precision": "fp32", "way": "plain"}


def digits(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        **common(arguments),
        **DIGITS,
        "device": "cpu",
        "images": 2000,
        "machine": {},
        "batch": 32,
    }


def run_all(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What was measured, one result after the other, within the time that there is."""
    end = time.monotonic() + 60 * arguments.minutes
    # Two at once, as jobs start on two cores.
    with ThreadPoolExecutor(2) as threads:
        started = digits(arguments)
        yield from threads.map(in_a_process, ["start"] * 2, [started] * 2, [0.0] * 2)
    waiting = list(cases(arguments))
    for position, (measure, case) in enumerate(waiting):
        share = (end - time.monotonic()) / (len(waiting) - position)
        yield in_a_process(measure, case, share)


def table(results: list[dict[str, Any]]) -> str:
    head = [
        "network", "size", "device", "batch", "precision", "way", "(a) limit", "(b) loop", "(b)/(a)",
        "(c) papers", "(b)/(c)", "turns", "host MB", "device MB",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    papers = {r["batch"]: r for r in results if r["measure"] == "papers"}
    for result in results:
        if result["measure"] != "loop":
            continue
        row = [result[k] for k in ("architecture", "size", "device", "batch", "precision", "way")]
        row += [f"{result['limit']:.0f}", f"{result['loop']:.0f}", f"{result['ratio']:.3f}"]
        other = papers.get(result["batch"]) if result["architecture"] != "digit_network" else None
        row += (
            [f"{other['papers']:.0f}", f"{result['loop'] / other['papers']:.1f}"]
            if other
            else ["", ""]
        )
        row += [result["turns_taken"], result["host_mb"], result["device_mb"]]
        lines.append("| " + " | ".join(map(str, row)) + " |")
    lines.append("")
    lines.append("Images a second; the most memory that a process had.")
    for result in results:
        if result["measure"] == "start":
            lines.append(
                "Start-up and set-up with the embedded dataset, two at once: "
                f"{result['seconds']:.1f} s."
            )
        if result["measure"] == "papers":
            lines.append(
                f"(c) with batches of {result['batch']}: {result['host_mb']} MB on the host, without "
                f"its workers, and {result['device_mb']} MB on the device."
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it (8)")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64], help="(8 64)")
    parser.add_argument(
        "--precisions", nargs="+", choices=PRECISIONS, default=["fp32", "bf16"], help="(fp32 bf16)"
    )
    parser.add_argument("--turns", type=int, default=9, help="at most, of each measure (9)")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=["plain", "graphs"], help="(plain graphs)"
    )
    parser.add_argument("--images", type=int, default=256, help="at least, of a turn (256)")
    parser.add_argument("--size", type=int, default=448, help="of ResNet-50's images (448)")
    parser.add_argument("--resnet", action="store_true", help="measure ResNet-50 on a CPU too")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.case is not None:
        keep_freed_memory()
        case = {"spawned": time.monotonic(), "seconds": math.inf, **arguments.case}
        print(json.dumps(MEASURES[case["measure"]](case)))
        return
    results = []
    for result in run_all(arguments):
        print(json.dumps(result), file=sys.stderr, flush=True)
        results.append(result)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
