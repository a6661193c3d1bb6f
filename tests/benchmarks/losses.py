"""Times forward and backward of every loss, and measures its memory.

    PYTHONPATH=workflow python tests/benchmarks/losses.py [--device cuda] [--resnet50 [PIXELS]] [--json FILE]

Needs torch and this package only (and torchvision for --resnet50). Every loss is timed at every
size beside plain `binary_cross_entropy_with_logits`, in the same run: a round times a few steps of
each, so that whatever else the machine does falls on all alike; the fastest round is printed, in
microseconds a step. `memory` is the peak of a step beyond the logits, in units of the logits' bytes.
The losses are also given as a part of a training step of the demo's network, with plain BCE as its
loss, timed in the same rounds. With --resnet50 a training step of a ResNet-50 at 448 x 448 (or as
many pixels as given) and batch 16 is timed too, and the losses at (16, 20) are given as a part of it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from spml.losses import build, names
from torch.nn import functional

SIZES = [(16, 20), (16, 80), (64, 312), (256, 5000)]
DEMO_SIZE = (32, 10)  # batch and classes of the embedded dataset under its protocol
PLAIN = "plain BCE"
EPOCHS = 8
EPOCH = 5  # past every warm-up, so that the large-loss methods and SPLC do all their work

GR = {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1}
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "dw": {"weight": 0.1},
    "em": {"alpha": 0.1},
    "em_apl": {"alpha": 0.1, "beta": 0.9, "warmup_epochs": 4},
    "entmin": {"alpha": 0.1},
    "epr": {"expected_positives": 1.5},
    "gpr": {**GR, "regularisation": 0.05, "expected_positives": 1.5},
    "gr": GR,
    "gr_learned_k": GR,
    "gr_rational_k": {**GR, "beta": [0, 0.5, 0, 0]},
    "gr_running_v": GR,
    "ll_cp": {"delta_rel": 0.2},
    "ll_ct": {"delta_rel": 0.2},
    "ll_r": {"delta_rel": 0.2},
    "p_asl": {
        "mode": "selective",
        "gamma_neg": 1,
        "gamma_unannotated": 4,
    },  # of its modes the dearest
    "partial_bce_global": {"known_proportion": 0.1},
    "role": {"expected_positives": 1.5},
    "vpu": {"gamma": 0.55, "alpha": 1},
}

Step = Callable[[], None]


def steps(rows: int, classes: int, device: str, chosen: list[str]) -> dict[str, Step]:
    """One function a loss that does a forward and a backward, and then forgets the gradients."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, classes, generator=generator).to(device).requires_grad_()
    observed = torch.zeros(rows, classes, dtype=torch.int8)
    observed[torch.arange(rows), torch.randint(classes, (rows,), generator=generator)] = 1
    observed = observed.to(device)
    target = observed.float()
    index = torch.arange(rows, device=device)

    def plain() -> None:
        functional.binary_cross_entropy_with_logits(logits, target).backward()
        logits.grad = None

    def of(name: str) -> Step:
        # As many examples as rows: the gradient of a dense estimator is then of the batch's size.
        loss = build(
            name,
            num_classes=classes,
            num_examples=rows,
            total_epochs=EPOCHS,
            **HYPERPARAMETERS.get(name, {}),
        ).to(device)

        def step() -> None:
            loss(logits, observed, index=index, epoch=EPOCH).backward()
            logits.grad = None
            loss.zero_grad(set_to_none=True)

        return step

    return {PLAIN: plain} | {name: of(name) for name in chosen}


def demo_step(device: str) -> Step:
    from spml.training.models import build_classifier

    rows, classes = DEMO_SIZE
    model = build_classifier("digit_network", classes).to(device).train()
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    images = torch.randn(rows, 1, 24, 24, device=device)
    target = torch.zeros(rows, classes, device=device)

    def step() -> None:
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(model(images), target).backward()
        optimiser.step()

    return step


def resnet50_step(device: str, size: int) -> Step:
    import torchvision

    model = torchvision.models.resnet50(num_classes=20).to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5)
    images = torch.randn(16, 3, size, size, device=device)
    target = torch.zeros(16, 20, device=device)

    def step() -> None:
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(model(images), target).backward()
        optimiser.step()

    return step


def seconds(step: Step, device: str, repeats: int) -> float:
    """Seconds of one step, the mean of `repeats` in a row."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def times(all_steps: dict[str, Step], device: str, budget: float) -> dict[str, float]:
    """The shortest time of each step in seconds, over rounds that take turns."""
    repeats = {}
    for name, step in all_steps.items():
        for _ in range(3):
            step()
        repeats[name] = max(1, min(50, int(0.005 / max(seconds(step, device, 1), 1e-7))))
    rounds: dict[str, list[float]] = {name: [] for name in all_steps}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(rounds[PLAIN]) < 3:
        for name, step in all_steps.items():
            rounds[name].append(seconds(step, device, repeats[name]))
    return {name: min(values) for name, values in rounds.items()}


def peak_memory(step: Step, device: str) -> int:
    """The largest number of bytes allocated at once during a step, beyond what was there."""
    step()
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() - before
    profiler: Any = torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    )
    with profiler:
        step()
    now = largest = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            largest = max(largest, now)
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="threads on a CPU (default 1)")
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each size (default 4)")
    parser.add_argument("--losses", nargs="+", choices=names(), default=names(), metavar="NAME")
    parser.add_argument(
        "--resnet50", type=int, nargs="?", const=448, metavar="PIXELS",
        help="time a step of a ResNet-50 too, on images of this size (448)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    arguments = parser.parse_args()
    device = arguments.device
    torch.set_num_threads(arguments.threads)

    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": arguments.threads,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "losses": [],
    }
    table: dict[str, list[str]] = {name: [] for name in [PLAIN, *arguments.losses]}
    for rows, classes in SIZES:
        all_steps = steps(rows, classes, device, arguments.losses)
        taken = times(all_steps, device, arguments.seconds)
        for name, step in all_steps.items():
            memory = peak_memory(step, device) / (rows * classes * 4)
            table[name].append(f"{taken[name] * 1e6:11.1f} {memory:6.2f}")
            record["losses"].append(
                {
                    "loss": name,
                    "rows": rows,
                    "classes": classes,
                    "microseconds": taken[name] * 1e6,
                    "times_plain": taken[name] / taken[PLAIN],
                    "memory": memory,
                }
            )

    heading = "".join(f"{f'({rows}, {classes})':>14} memory" for rows, classes in SIZES)
    print(f"{'loss':20}{heading}")
    for name, cells in table.items():
        print(f"{name:20}" + "".join(f"{cell:>21}" for cell in cells))

    all_steps = steps(*DEMO_SIZE, device, arguments.losses)
    all_steps["network"] = demo_step(device)
    taken = times(all_steps, device, arguments.seconds)
    network = taken.pop("network")
    record["demo_network_microseconds"] = network * 1e6
    record["part_of_demo_network"] = {name: value / network for name, value in taken.items()}
    print(f"\nNetwork of the demo, (B, C) = {DEMO_SIZE}: {network * 1e6:.0f} us a step")
    for name, part in record["part_of_demo_network"].items():
        print(f"{name:20}{part:8.1%}")

    if arguments.resnet50:
        step = resnet50_step(device, arguments.resnet50)
        step()
        end = time.perf_counter() + arguments.seconds
        taken_by_step = seconds(step, device, 1)
        while time.perf_counter() < end:
            taken_by_step = min(taken_by_step, seconds(step, device, 1))
        record["resnet50_milliseconds"] = taken_by_step * 1e3
        size = f"{arguments.resnet50} x {arguments.resnet50}"
        print(f"\nResNet-50, batch 16, {size}: {taken_by_step * 1e3:.1f} ms a step")
        for each in record["losses"]:
            if (each["rows"], each["classes"]) == SIZES[0]:
                part = each["microseconds"] / 1e6 / taken_by_step
                each["part_of_resnet50"] = part
                print(f"{each['loss']:20}{part:8.3%}")

    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
