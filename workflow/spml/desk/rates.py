"""How fast a network computes: as runs have recorded here, as measured now, or as a card promises.

A rate is the time of one picture in training. Looking at one, without learning from it, is taken to
be a third of that: the backward pass costs twice the forward pass.
"""

import csv
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from spml.desk.workload import Network
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json

if TYPE_CHECKING:
    import torch

CARDS = Path("config/cards.tsv")
LOOKED_AT = 1 / 3
RECORDS_READ = 400  # of more runs the newest
MEASURED_SECONDS = 3.0
MEASURED_PICTURES = 4  # of a network so large that a processor takes them one after the other
QUICK = 0.2  # seconds of a step of so few below which a network is not large
# What a second measurement of the same may differ by on a machine that does other things too.
UNCERTAIN = 1.3
RECORDED = "rates of runs here"
MEASURED = "rates measured now on {device}"


class Rate(NamedTuple):
    """Seconds of one picture in training, from ``low`` to ``high``, and of a process's start."""

    low: float
    high: float
    start: float
    origin: str


def _recorded_network(record: Mapping[str, Any]) -> Network:
    training = record["settings"]["training"]
    frozen = training.get("frozen", False)
    shape = record.get("image_shape") or [0]
    return Network(
        architecture=None if frozen else record["settings"]["architecture"],
        size=shape[0],
        batch_size=training["batch_size"],
        precision=training.get("precision", "fp32"),
        frozen=frozen,
    )


@cache
def recorded() -> dict[Network, Rate]:
    """The rates that finished runs have recorded here: the median of each network."""
    paths = sorted(Path("results/runs").glob("*/*/*/*/run.json"), key=lambda p: p.stat().st_mtime)
    found: dict[Network, list[float]] = {}
    for path in paths[-RECORDS_READ:]:
        try:
            record = read_json(path)
            network = _recorded_network(record)
            found.setdefault(network, []).append(1 / record["images_per_second"])
        except (UserError, KeyError, TypeError, ZeroDivisionError):
            continue  # of an older version, or being written
    return {
        network: Rate(median(values) / UNCERTAIN, median(values) * UNCERTAIN, 0.0, RECORDED)
        for network, values in found.items()
    }


def _start_seconds() -> float:
    """What a process that trains takes before its first step."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "spml.train", "--help"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def _measure_step(network: Network, channels: int, device: "torch.device") -> float:
    """Seconds of one picture in training, on pictures of noise, by a few seconds of steps.

    A head is taken to be ResNet-50's on COCO: 2,048 features and 80 classes.
    """
    import torch

    from spml.training.models import build_classifier, build_frozen_classifier
    from spml.training.optimizers import adam
    from spml.training.precision import autocast, configure

    configure(network.precision, deterministic=False, device=device)
    if network.architecture is None:
        classifier = build_frozen_classifier(2048, 80)
        inputs = torch.rand(network.batch_size, 2048)
    else:
        classifier = build_classifier(network.architecture, 80, size=network.size)
        inputs = torch.rand(network.batch_size, channels, network.size, network.size)
        inputs = inputs.to(memory_format=torch.channels_last)
    classifier = classifier.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    inputs = inputs.to(device)
    optimizer = adam([{"params": list(classifier.parameters()), "lr": 1e-5}])

    def step(batch: torch.Tensor) -> float:
        started = time.perf_counter()
        with autocast(network.precision, device):
            logits = classifier(batch)
        torch.nn.functional.softplus(logits.float()).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    few = inputs[:MEASURED_PICTURES]
    step(few)  # the first one chooses algorithms
    batch = few if device.type == "cpu" and step(few) > QUICK else inputs
    step(batch)
    seconds: list[float] = []
    while sum(seconds) < MEASURED_SECONDS:
        seconds.append(step(batch))
    return sum(seconds) / (len(seconds) * len(batch))


def measure(networks: Mapping[Network, int], device: str, threads: int) -> dict[Network, Rate]:
    """Rates on this machine, of networks with the number of channels of their pictures."""
    import torch

    from spml.training.devices import claim_device

    torch.set_num_threads(threads)
    claim = claim_device(device)
    origin = MEASURED.format(device="a GPU" if claim.device.type == "cuda" else "the CPU")
    start = _start_seconds()
    rates = {}
    for network, channels in networks.items():
        seconds = _measure_step(network, channels, claim.device)
        rates[network] = Rate(seconds / UNCERTAIN, seconds * UNCERTAIN, start, origin)
    return rates


@cache
def _flops(architecture: str, size: int, channels: int) -> float | None:
    """Floating-point operations of looking at one picture; None for a network that is unknown."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from spml.training.models import build_classifier

    try:
        classifier = build_classifier(architecture, 1, size=size).to("meta").eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            classifier(torch.zeros(1, channels, size, size, device="meta"))
    except (UserError, RuntimeError):
        return None  # training and `make doctor` say what is wrong with it
    return float(counter.get_total_flops())


def read_cards(path: Path = CARDS) -> list[dict[str, str]]:
    """The rows of the table of cards."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def promised(network: Network, channels: int, cards: Iterable[Mapping[str, str]]) -> Rate | None:
    """The rate that the first card with this precision promises; None for heads and unknown ones.

    Operations of a training step are three times those of the forward pass.
    """
    if network.architecture is None:
        return None
    flops = _flops(network.architecture, network.size, channels)
    for card in cards:
        if card["precision"] == network.precision and flops is not None:
            peak = float(card["teraflops"]) * 1e12
            low, high = (
                3 * flops / (peak * float(card[share])) for share in ("share_high", "share_low")
            )
            return Rate(low, high, 0.0, f"one {card['device']}, by arithmetic, {CARDS}")
    return None
