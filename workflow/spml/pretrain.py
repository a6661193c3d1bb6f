"""Stage *pretrain*: backbone weights of the embedded dataset, learnt on single digits.

This stands where ImageNet weights stand for the papers' datasets: a backbone that knows the visual
world of the task but no multi-label picture. It sees the training scans only.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from spml.datasets import digits
from spml.plumbing.errors import run_command
from spml.training.checkpoint import save_tensors
from spml.training.images import normalise
from spml.training.models import build_classifier
from spml.training.optimizers import adam
from spml.training.precision import use_common_instructions


def single_digit_pictures(
    scans: digits.Scans, *, pictures: int, size: int, noise: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Canvases with one scan each: (pictures, 1, size, size) uint8, and its digit, int64."""
    images, split = digits.compose_split(
        scans,
        pictures=pictures,
        size=size,
        digits=(1, 1),
        noise=noise,
        random=np.random.default_rng(seed),
        name="single",
    )
    return (
        torch.from_numpy(images).permute(0, 3, 1, 2),
        torch.from_numpy(split.truth.argmax(axis=1)),
    )


def pretrain(
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    architecture: str,
    mean: list[float],
    deviation: list[float],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> dict[str, torch.Tensor]:
    """Train a classifier of single digits with cross entropy; return its backbone's state dict."""
    torch.manual_seed(seed)
    classifier = build_classifier(architecture, len(digits.CLASSES))
    groups = [{"params": list(classifier.parameters())}]
    # Not fused, which would round otherwise: the weights would change, and every run on them.
    optimizer = adam(groups, fused=False, lr=learning_rate)
    inputs = normalise(images, mean, deviation)
    progress = tqdm(range(epochs), desc="pretrain", unit="epoch", mininterval=1)
    for _ in progress:
        for rows in torch.randperm(len(inputs)).split(batch_size):
            loss = torch.nn.functional.cross_entropy(classifier(inputs[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        progress.set_postfix(loss=f"{loss.item():.3f}")
    return classifier.backbone.state_dict()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.pretrain", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="see the rule")
    parser.add_argument("--output", required=True, type=Path, help="the state dict to write")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.settings["threads"])
    use_common_instructions()
    compose, images = arguments.settings["compose"], arguments.settings["images"]
    training, _ = digits.load_scans(test_fraction=compose["test_scans"], seed=compose["seed"])
    options = dict(arguments.settings["pretrain"])
    pictures, labels = single_digit_pictures(
        training,
        pictures=options.pop("pictures"),
        size=compose["size"],
        noise=compose["noise"],
        seed=options["seed"],
    )
    state = pretrain(
        pictures,
        labels,
        architecture=arguments.settings["architecture"],
        mean=images["mean"],
        deviation=images["deviation"],
        **options,
    )
    save_tensors(arguments.output, state)


if __name__ == "__main__":
    run_command(main)
