"""Losses and mAP beside those of `mlcpl`, another package for incomplete labels, on the same logits.

    PYTHONPATH=workflow python tests/benchmarks/library.py [--device cuda]

Says what differs in numbers, and why, and then time and memory. Needs `mlcpl` and what that requires
(`pip install mlcpl`); without it one sentence is printed. Nothing of it is a part of this project.

What differs, as its version 0.1.7 has it; each line is measured below:
- LL-R and LL-Ct count K against the entries that are not observed, ours against all B x C, as the
  papers' code; theirs is rounded to the nearest number and is at least 1, ours rounded up.
- Its entries are those with a loss above the K-th largest, ours those at least as large: without
  ties it takes K - 1, and of entries that tie at the threshold none where ours takes all.
- K is computed from a value that is read on the host, so that each step waits for the device. Ours
  reads none: it runs on the device `meta`, which has no values.
- The logarithm is that of a rounded probability, which is infinite or NaN for a large logit.
- A class without positives or without negatives has no AP there and is left out of the mean; here a
  class without positives counts 0, and one without negatives 1.
"""

import argparse
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import torch
from losses import PLAIN, peak_memory, times
from spml.losses import build
from spml.measures.streaming import MultilabelAveragePrecision
from torch.nn import functional

SIZES = [(16, 20), (16, 80), (64, 312), (256, 5000)]
EPOCH, DELTA_REL = 6, 0.4  # the percentage grows to 2: LL-R's on COCO
LARGE = "LL-R", "LL-Ct"
METRIC_ROWS, METRIC_CLASSES = 10_000, 80

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits, and labels in {-1, 0, 1}


def batch(rows: int, classes: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and one positive a row."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, classes, generator=generator)
    observed = torch.zeros(rows, classes, dtype=torch.int8)
    observed[torch.arange(rows), torch.randint(classes, (rows,), generator=generator)] = 1
    return logits.to(device).requires_grad_(), observed.to(device)


def ours(classes: int, device: str) -> dict[str, Loss]:
    """Our losses, as a training step calls them."""
    chosen: dict[str, tuple[str, dict[str, Any]]] = {
        "LL-R": ("ll_r", {"delta_rel": DELTA_REL}),
        "LL-Ct": ("ll_ct", {"delta_rel": DELTA_REL}),
        "ASL": ("asl", {}),
    }

    def of(name: str, hyperparameters: dict[str, Any]) -> Loss:
        loss = build(name, num_classes=classes, **hyperparameters).to(device)
        return lambda logits, observed: loss(logits, observed, epoch=EPOCH)

    return {title: of(*values) for title, values in chosen.items()}


def theirs() -> dict[str, Loss]:
    """Those of mlcpl; its targets are 1, 0 and NaN, and its epochs are counted from 0."""
    from mlcpl import losses

    rejection = losses.LargeLossRejection(delta_rel=DELTA_REL)
    correction = losses.LargeLossCorrectionTemporary(delta_rel=DELTA_REL)
    asymmetric = losses.PartialNegativeAsymmetricWithLogitLoss(
        clip=0.05, gamma_pos=0, gamma_neg=4, discard_focal_grad=True
    )
    return {
        "LL-R": lambda logits, target: rejection(logits, target, EPOCH - 1),
        "LL-Ct": lambda logits, target: correction(logits, target, EPOCH - 1),
        "ASL": asymmetric,
    }


def targets(observed: torch.Tensor) -> torch.Tensor:
    """The labels as mlcpl takes them, made once: a training set would store them so."""
    values = torch.where(observed == 0, math.nan, observed.float())
    return values.clamp(min=0)


def with_largest(title: str, logits: torch.Tensor, observed: torch.Tensor, count: int) -> float:
    """LL-R or LL-Ct in float64 by definition, with exactly `count` large entries."""
    z = logits.detach().double().cpu()
    positive = (observed == 1).cpu()
    candidates = z.masked_fill(positive, -math.inf).flatten()
    large = torch.zeros_like(candidates, dtype=torch.bool)
    large[candidates.topk(count).indices] = True
    large = large.view_as(z)
    cost = functional.softplus(torch.where(positive, -z, z))
    if title == "LL-R":
        return cost.masked_fill(large, 0.0).mean().item()
    return torch.where(large, functional.softplus(-z), cost).mean().item()


def compare_values(device: str) -> None:
    print(f"The value of a batch, delta_rel {DELTA_REL}, epoch {EPOCH}, and what explains it:")
    for rows, classes in SIZES:
        logits, observed = batch(rows, classes, device)
        target = targets(observed)
        share = (EPOCH - 1) * DELTA_REL / 100
        unobserved = int((observed == 0).sum())
        our_count = math.ceil(rows * classes * share)
        their_count = max(1, round(unobserved * share)) - 1
        for title in LARGE:
            our_value = ours(classes, device)[title](logits, observed).item()
            their_value = theirs()[title](logits, target).item()
            gaps = [
                abs(value - with_largest(title, logits, observed, count))
                for value, count in ((our_value, our_count), (their_value, their_count))
            ]
            print(
                f"  {rows} x {classes} {title:5}: {our_value:.6f}, theirs {their_value:.6f}; "
                f"large entries {our_count}, theirs {their_count}; with these the definition gives "
                f"both within {max(gaps):.0e}"
            )
        our_value = ours(classes, device)["ASL"](logits, observed).item()
        their_value = theirs()["ASL"](logits, target).item()
        print(
            f"  {rows} x {classes} ASL  : {our_value:.6f}, theirs {their_value:.6f}: "
            f"{abs(our_value - their_value):.0e} apart"
        )


def compare_ties(device: str) -> None:
    logits = torch.zeros(16, 20, device=device)
    _, observed = batch(16, 20, device)
    value = ours(20, device)["LL-R"](logits, observed).item()
    other = theirs()["LL-R"](logits, targets(observed)).item()
    print(
        f"All logits equal, LL-R: {value:.4f} (all unobserved entries tie and are rejected), "
        f"theirs {other:.4f} (none is)"
    )


def largest_finite(loss: Loss, labels: torch.Tensor) -> float:
    """The largest of these logits up to which value and gradient are finite."""
    last = 0
    for size in (10, 15, 20, 50, 80, 90, 100, 1000, 10_000):
        logits = torch.tensor([[float(size), -float(size)]], requires_grad=True)
        value = loss(logits, labels)
        value.backward()
        assert logits.grad is not None
        if not (value.isfinite() and logits.grad.isfinite().all()):
            return last
        last = size
    return math.inf


def compare_tails() -> None:
    observed = torch.tensor([[0, 1]], dtype=torch.int8)  # the worst: both labels are missed
    for title in ours(2, "cpu"):
        limits = [
            largest_finite(loss, labels)
            for loss, labels in (
                (ours(2, "cpu")[title], observed),
                (theirs()[title], targets(observed)),
            )
        ]
        print(
            f"Logits tried with a finite value and gradient, {title}: {limits[0]}, theirs {limits[1]}"
        )


def waits(loss: Loss, labels: torch.Tensor) -> bool:
    """Whether it reads a value on the host: the device `meta` has none to give."""
    try:
        loss(torch.zeros(labels.shape, device="meta", requires_grad=True), labels.to("meta"))
    except (NotImplementedError, RuntimeError):
        return True
    return False


def compare_waiting() -> None:
    _, observed = batch(16, 20, "cpu")
    for title in ours(20, "cpu"):
        ours_waits = waits(ours(20, "meta")[title], observed)
        theirs_waits = waits(theirs()[title], targets(observed))
        print(f"Waits for the device in each step, {title}: {ours_waits}, theirs {theirs_waits}")


def compare_cost(device: str, budget: float) -> None:
    print("Forward and backward, microseconds a step, and memory beyond the logits in their size:")
    for rows, classes in SIZES:
        logits, observed = batch(rows, classes, device)
        target = targets(observed)

        def step(loss: Loss, labels: torch.Tensor, logits: torch.Tensor = logits) -> None:
            loss(logits, labels).backward()
            logits.grad = None

        present = (observed == 1).float()
        plain = functional.binary_cross_entropy_with_logits
        steps = {PLAIN: lambda step=step, labels=present, plain=plain: step(plain, labels)}
        for title, loss in ours(classes, device).items():
            steps[title] = lambda loss=loss, step=step, labels=observed: step(loss, labels)
        for title, loss in theirs().items():
            steps[f"their {title}"] = lambda loss=loss, step=step, labels=target: step(loss, labels)
        shortest = times(steps, device, budget)
        memory = {
            name: peak_memory(each, device) / (4 * logits.numel()) for name, each in steps.items()
        }
        print(
            f"  {rows} x {classes} {PLAIN}: {1e6 * shortest[PLAIN]:.0f}; memory {memory[PLAIN]:.1f}"
        )
        for title in ours(classes, device):
            print(
                f"  {rows} x {classes} {title:5}: {1e6 * shortest[title]:.0f}, theirs "
                f"{1e6 * shortest[f'their {title}']:.0f}; memory {memory[title]:.1f}, theirs "
                f"{memory[f'their {title}']:.1f}"
            )


def measured(function: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float, float]:
    """The result, seconds, and MB by which it lets the memory of a process of its own grow."""

    def run(connection: Any) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        values = function()
        seconds = time.perf_counter() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        connection.send((values.tolist(), seconds, grown / 1024))

    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=run, args=(sending,))
    process.start()
    values, seconds, megabytes = receiving.recv()
    process.join()
    return torch.tensor(values), seconds, megabytes


def compare_metrics() -> None:
    from mlcpl.metrics import partial_multilabel_average_precision

    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(METRIC_ROWS, METRIC_CLASSES, generator=generator)
    truth = torch.rand(scores.shape, generator=generator) < 2.9 / 80
    unknown = torch.rand(scores.shape, generator=generator) < 0.3
    truth[:, 0] = False
    our_target = torch.where(unknown, -1, truth.long())
    their_target = torch.where(unknown, math.nan, truth.float())

    def our_metric() -> torch.Tensor:
        metric = MultilabelAveragePrecision(METRIC_CLASSES, average="none", ignore_index=-1)
        metric.update(scores, our_target)
        return torch.tensor(metric.compute())

    our_values, our_seconds, our_memory = measured(our_metric)
    their_values, their_seconds, their_memory = measured(
        lambda: partial_multilabel_average_precision(scores, their_target, average="none")
    )
    apart = (our_values - their_values)[~their_values.isnan()].abs().max()
    print(
        f"AP of {METRIC_CLASSES} classes, {METRIC_ROWS} rows, 30 % unknown: {our_seconds:.2f} s and "
        f"{our_memory:.0f} MB, theirs {their_seconds:.2f} s and {their_memory:.0f} MB; {apart:.0e} "
        f"apart; the class without positives: {our_values[0]:.1f}, theirs {their_values[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=3.0, help="of timing, for each size (3)")
    arguments = parser.parse_args()
    try:
        import mlcpl.losses
        import mlcpl.metrics  # noqa: F401 - whether all that it needs is there
    except ImportError as error:
        print(f"skipped: mlcpl cannot be imported ({error}); pip install mlcpl, and again")
        return
    torch.set_num_threads(1)
    compare_values(arguments.device)
    compare_ties(arguments.device)
    compare_tails()
    compare_waiting()
    compare_cost(arguments.device, arguments.seconds)
    compare_metrics()


if __name__ == "__main__":
    main()
