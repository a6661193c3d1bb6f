"""What neither the GPU tests nor the benchmarks ask of a machine; a line of JSON an answer.

    python tests/gpu/probe.py QUESTION [--device cpu] [--size PIXELS] [--network NAME]

Needs torch, torchvision and numpy alone. A processor is asked as little as shows that the question
can be asked. Ends with status 1 where an answer is wrong, not where it is slow.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
import torch
from benchmarks import engine
from spml.plumbing.machine import Machine
from spml.plumbing.progress import Progress
from spml.training.checkpoint import Checkpoint
from spml.training.devices import claim_device
from spml.training.energy import read_energy
from spml.training.engine import Trainer
from spml.training.loading import StreamedImages
from spml.training.precision import PRECISIONS, autocast, configure

# The most that a product may be off, relative to float64: a few times what rounding its factors to
# 24, 11 and 8 bits makes of random ones.
LARGEST_ERROR = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 1e-2}


@dataclass(frozen=True)
class Asked:
    """A question, of which network on which device, and where its files may lie."""

    question: str
    device: torch.device
    size: int
    network: str
    folder: Path

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def case(self, **changes: Any) -> dict[str, Any]:
        """A case of the engine's benchmark, whose images stay in their file."""
        usual = {
            **engine.RESNET,
            "architecture": self.network,
            "size": self.size,
            "device": str(self.device),
            "machine": {"resident_megabytes": 0},
            "turns": 1,
            "precision": "bf16",
            "way": "plain",
            "batch": 8,
            "images": 8,
        }
        return {**usual, **changes}

    def images(self, case: dict[str, Any]) -> np.ndarray:
        # In a folder of its own, or a case would write into the file that another one has mapped.
        return engine.write_images(Path(tempfile.mkdtemp(dir=self.folder)) / "images.npy", case)

    def trainer(self, **changes: Any) -> Trainer:
        case = self.case(**changes)
        trainer = engine.make_trainer(case, self.images(case))
        trainer.classifier.train()
        return trainer

    def answer(self, **values: Any) -> None:
        print(json.dumps({"question": self.question, **values}), flush=True)

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def seconds(self, call: Callable[[], object]) -> tuple[float, float]:
        """Until ``call`` returns, and until the device has done what it was given."""
        self.wait()
        started = time.perf_counter()
        call()
        returned = time.perf_counter() - started
        self.wait()
        return returned, time.perf_counter() - started


def context(asked: Asked) -> None:
    """Which device a run would claim, and what it finds there."""
    claim = claim_device(asked.device.type, folder=asked.folder)
    configure("fp32", deterministic=False, device=claim.device)
    gpu: dict[str, Any] = {}
    if asked.on_gpu:
        properties = torch.cuda.get_device_properties(claim.device)
        gpu = {
            "name": properties.name,
            "uuid": str(properties.uuid),
            "capability": torch.cuda.get_device_capability(claim.device),
            "gigabytes": round(properties.total_memory / 1e9, 1),
        }
    asked.answer(
        claimed=str(claim.device),
        **gpu,
        python=sys.version.split()[0],
        torch=torch.__version__,
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),
        convolutions=torch.backends.cudnn.conv.fp32_precision,
        products=torch.backends.cuda.matmul.fp32_precision,
        energy_joules=read_energy(claim.device),
        cores=len(os.sched_getaffinity(0)),
    )


def errors(asked: Asked) -> bool:
    """How far a convolution and a product are from float64 in each precision."""
    device, right = asked.device, True
    torch.manual_seed(0)
    pictures, kernels = torch.randn(8 if asked.on_gpu else 1, 64, 56, 56), torch.randn(64, 64, 3, 3)
    operations = {
        "convolution": (
            torch.nn.functional.conv2d,
            [v.to(device, memory_format=torch.channels_last) for v in (pictures, kernels)],
        ),
        "product": (torch.matmul, [torch.randn(512, 512).to(device) for _ in range(2)]),
    }
    for precision in PRECISIONS:
        configure(precision, deterministic=False, device=device)
        found = {}
        for name, (operation, factors) in operations.items():
            exact = operation(*(factor.double() for factor in factors))
            with autocast(precision, device):
                computed = operation(*factors)
            found[name] = float((computed.double() - exact).norm() / exact.norm())
        within = all(error <= LARGEST_ERROR[precision] for error in found.values())
        asked.answer(precision=precision, **found, right=within)
        right = right and within
    return right


def losses(asked: Asked) -> bool:
    """Whether each loss trains twice to the same last bit, with deterministic algorithms alone."""
    from small_runs import make_trainer, same
    from unit.losses.loss_cases import FIRST

    chosen, epochs = (FIRST, 8) if asked.on_gpu else (FIRST[:2], 1)
    right = True
    for precision in ("fp32", "bf16"):
        configure(precision, deterministic=True, device=asked.device)
        wrong = {}
        for name, hyperparameters in chosen:
            try:
                first, second = (
                    make_trainer(
                        name,
                        hyperparameters=hyperparameters,
                        device=asked.device,
                        epochs=epochs,
                        precision=precision,
                        machine=Machine(resident_megabytes=0),
                    ).run()
                    for _ in range(2)
                )
                if not same(first, second):
                    wrong[name] = "differs"
            except Exception as error:  # of whatever kind: the other losses are asked all the same
                wrong[name] = f"{type(error).__name__}: {error}"[:160]
        asked.answer(precision=precision, losses=len(chosen), wrong=wrong)
        right = right and not wrong
    return right


def _step(trainer: Trainer, images: torch.Tensor) -> None:
    index = torch.arange(len(images), device=images.device)
    trainer._take_step(trainer._inputs(images), index, 1)


def _score(trainer: Trainer, images: torch.Tensor) -> None:
    trainer.classifier.eval()
    with torch.no_grad():
        trainer._logits(trainer._inputs(images))
    trainer.classifier.train()


def shapes(asked: Asked) -> None:
    """What trying algorithms (cudnn.benchmark) costs at each new shape of a run, and wins later.

    Shapes of a run are full batches, the last one of an epoch, and two sizes of batches of scores.
    """
    shape = (32, asked.size, asked.size, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=asked.device)
    for tries in (True, False) if asked.on_gpu else (False,):
        for precision in ("bf16", "fp32"):
            trainer = asked.trainer(precision=precision, turns=100)  # more than steps are taken
            torch.backends.cudnn.benchmark = tries
            _step(trainer, images[:2])  # libraries are loaded with the first step of all
            first, later = {}, {}
            for pass_, count in ((_step, 8), (_step, 5), (_score, 32), (_score, 31)):
                name = f"{pass_.__name__[1:]}_{count}"
                call = partial(pass_, trainer, images[:count])
                first[name] = round(asked.seconds(call)[1], 3)
                again = (asked.seconds(call)[1] for _ in range(5 if asked.on_gpu else 1))
                later[name] = round(1e3 * min(again), 2)
            asked.answer(
                tries=tries, precision=precision, first_seconds=first, later_milliseconds=later
            )


def start(asked: Asked) -> None:
    """Seconds from the start of a process until its loop could take the first step."""
    for precision, way in (("fp32", "plain"), ("bf16", "graphs")):
        case = asked.case(precision=precision, way=way)
        result = engine.in_a_process("start", case, seconds=30)
        shown = ("precision", "way", "seconds", "host_mb", "device_mb")
        asked.answer(**{key: result[key] for key in shown})


def save(asked: Asked) -> None:
    """How long the loop stands still for a checkpoint, and for one while another is written."""
    trainer = asked.trainer(images=16)
    path = asked.folder / "run.pt"
    trainer.checkpoint = Checkpoint(path, {})
    trainer._train_epoch(1, Progress(disable=True))
    # From the first epoch on a checkpoint has the best weights too.
    state = trainer.classifier.state_dict()
    trainer.best_weights = {key: value.clone() for key, value in state.items()}
    trainer._save(wait=True)
    alone, *following = (round(asked.seconds(trainer._save)[1], 3) for _ in range(3))
    trainer.checkpoint.finish()
    asked.answer(
        seconds=alone, seconds_while_writing=following, megabytes=path.stat().st_size >> 20
    )


def _launching(asked: Asked, batch: int, precision: str, way: str) -> dict[str, float]:
    trainer = asked.trainer(batch=batch, images=batch, precision=precision, way=way)
    [(inputs, index)] = trainer._batches(1)
    count = 10 if asked.on_gpu else 1

    def steps(count: int) -> None:
        for _ in range(count):
            trainer._take_step(inputs, index, 1)

    steps(count)
    # One at a time: with about a thousand kernels before it the host waits for the device, and what
    # was measured of many would be the device's time.
    launch = median(asked.seconds(partial(steps, 1))[0] for _ in range(count))
    taken = min(asked.seconds(partial(steps, count))[1] for _ in range(3)) / count
    return {
        "launch_milliseconds": round(1e3 * launch, 2),
        "step_milliseconds": round(1e3 * taken, 2),
        "images_per_second": round(batch / taken, 1),
    }


def host(asked: Asked) -> None:
    """Whether the host keeps ahead of the device: time to launch a step, and to take it."""
    every = list(product((8, 16, 64), reversed(PRECISIONS), ("plain", "graphs")))
    for batch, precision, way in every if asked.on_gpu else every[:2]:
        times = _launching(asked, batch, precision, way)
        asked.answer(batch=batch, precision=precision, way=way, **times)


def _read_all(stream: StreamedImages, rows: np.ndarray, sizes: list[int]) -> None:
    for _ in stream.batches(rows, sizes):
        pass


def read(asked: Asked) -> None:
    """Images a second from a file in the page cache to the device, with nothing computed."""
    count = 1024 if asked.on_gpu else 128
    images = asked.images(asked.case(images=count))
    rows = np.random.default_rng(0).permutation(count)
    for workers in (1, 2, 4, 8):
        for batch in (8, 64):
            stream = StreamedImages(images, asked.device, workers)
            read_all = partial(_read_all, stream, rows, [batch] * (count // batch))
            read_all()  # pins its memory
            seconds = asked.seconds(read_all)[1]
            asked.answer(workers=workers, batch=batch, images_per_second=round(count / seconds))


QUESTIONS = {
    question.__name__: question
    for question in (context, errors, losses, shapes, start, save, host, read)
}


def main() -> None:
    lines = [f"{name:8} {question.__doc__.splitlines()[0]}" for name, question in QUESTIONS.items()]
    parser = argparse.ArgumentParser(
        description="\n".join([__doc__, *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", type=int, default=engine.RESNET["size"], metavar="PIXELS")
    parser.add_argument("--network", default=engine.RESNET["architecture"], metavar="NAME")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked(
            given.question, torch.device(given.device), given.size, given.network, Path(folder)
        )
        # A question that has no wrong answer answers nothing here.
        wrong = QUESTIONS[given.question](asked) is False
    sys.exit(int(wrong))


if __name__ == "__main__":
    main()
