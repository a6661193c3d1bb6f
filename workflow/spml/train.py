"""Stage *train*: one run, from packed images and observed labels to weights, records and scores.

One run is one dataset, protocol, method and seed. Outputs, all in the run's folder:

weights.pt         state dict of the classifier at the selected epoch
history.jsonl      one object an epoch
predictions.npz    scores in [0, 1]: ``val`` and ``test`` at the selected epoch, ``val_first`` and
                   ``val_last`` after the first and the last epoch
trace.npz          one value a step: loss, mean cost of true and of false negatives, logit range
run.json           settings, versions, device, time and memory
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spml import losses
from spml.engine import TRACE_COLUMNS, Data, Result, Settings, Trainer
from spml.errors import UserError, run_command
from spml.files import atomic_path, write_json, write_json_lines
from spml.images import choose_device
from spml.labels import Labels, load_labels
from spml.linear_init import HeadFit, fit_head
from spml.models import Classifier, build_classifier, load_backbone
from spml.observe import Observation, load_observation
from spml.packed import PackedImages, load_packed
from spml.selection import select_epoch


def _check_inputs(labels: Labels, observation: Observation, images: PackedImages) -> None:
    """Refuse inputs that do not belong together before the first step."""
    if observation.observed.shape != labels.train.truth.shape:
        raise UserError(
            f"observed labels have shape {observation.observed.shape} but the dataset has "
            f"{labels.train.truth.shape}: they are of another dataset"
        )
    for split in ("train", "test"):
        packed, rows = len(getattr(images, split)), len(getattr(labels, split).images)
        if packed != rows:
            raise UserError(f"{packed} packed {split} images but {rows} rows of labels")


def _build_loss(settings: dict[str, Any], total_epochs: int, data: Data) -> losses.Loss:
    try:
        return losses.build(
            settings["loss"],
            num_classes=data.truth.shape[1],
            num_examples=len(data.train_rows),
            total_epochs=total_epochs,
            **settings["hyperparameters"],
        )
    except ValueError as error:
        raise UserError(f"method {settings['method']}: {error}") from error


def _git(*arguments: str) -> str:
    """What git says about the checkout; empty where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _provenance(device: torch.device, seconds: float, images_seen: int) -> dict[str, Any]:
    on_gpu = device.type == "cuda"
    return {
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy")},
        },
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or "cpu",
        "seconds": round(seconds, 3),
        "images_per_second": round(images_seen / seconds, 1),
        "peak_host_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_device_memory_mb": torch.cuda.max_memory_allocated(device) >> 20 if on_gpu else 0,
    }


def _save(result: Result, directory: Path) -> None:
    with atomic_path(directory / "weights.pt") as temporary:
        torch.save(result.weights, temporary)
    with atomic_path(directory / "predictions.npz") as temporary:
        np.savez_compressed(
            temporary,
            val=result.val,
            test=result.test,
            val_first=result.val_first,
            val_last=result.val_last,
        )
    with atomic_path(directory / "trace.npz") as temporary:
        columns = dict(zip(TRACE_COLUMNS, result.trace.T, strict=True))
        np.savez_compressed(temporary, steps_per_epoch=result.steps_per_epoch, **columns)
    write_json_lines(directory / "history.jsonl", result.history)


def _read_data(arguments: argparse.Namespace) -> Data:
    """What the run reads, refused before the first step where it does not belong together."""
    labels = load_labels(arguments.labels)
    observation = load_observation(arguments.observed)
    images = load_packed(arguments.images)
    _check_inputs(labels, observation, images)
    return Data(
        train_images=images.train,
        test_images=images.test,
        train_rows=observation.train,
        val_rows=observation.val,
        truth=labels.train.truth,
        observed=observation.observed,
        annotated=labels.train.annotated,
    )


def _linear_init(
    classifier: Classifier,
    settings: dict[str, Any],
    data: Data,
    features: Path,
    device: torch.device,
) -> tuple[HeadFit, dict[str, torch.Tensor]]:
    """Fit the head on cached features; return its record and what the loss has learnt by then."""
    options = settings["training"]["linear_init"]
    if settings["head"] != "linear":
        raise UserError(f"method {settings['method']}: linear_init needs the linear head")
    loss = _build_loss(settings, options["epochs"], data)
    fit = fit_head(
        classifier.head,
        loss,
        np.load(features, mmap_mode="r", allow_pickle=False),
        train_rows=data.train_rows,
        val_rows=data.val_rows,
        truth=data.truth,
        observed=data.observed,
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        seed=settings["seed"],
        device=device,
    )
    return fit, loss.state_dict()


def train(settings: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Train as ``settings`` say and write the run's folder."""
    started = time.perf_counter()
    data = _read_data(arguments)
    device = choose_device(settings["training"]["device"])
    not_of_the_loop = ("device", "linear_init")
    options = {k: v for k, v in settings["training"].items() if k not in not_of_the_loop}
    name = "{dataset}/{protocol}/{method}/seed{seed}".format(**settings)

    # The classifier is drawn before the loss, so that every method starts from the same weights.
    torch.manual_seed(settings["seed"])
    classifier = build_classifier(settings["architecture"], data.truth.shape[1], settings["head"])
    load_backbone(classifier, arguments.backbone)
    loss = _build_loss(settings, options["epochs"], data)
    head_fit = None
    if settings["training"]["linear_init"] is not None:
        head_fit, state = _linear_init(classifier, settings, data, arguments.features, device)
        loss.load_state_dict(state)
    training = Settings(**options, **settings["images"], seed=settings["seed"], name=name)
    result = Trainer(classifier, loss, data, training, device).run()
    _save(result, arguments.output)

    seconds = time.perf_counter() - started
    record = {
        "settings": settings,
        "selected_epoch": select_epoch(result.history, options["selection"]),
        "linear_init": vars(head_fit) if head_fit else None,
        **_provenance(device, seconds, len(result.history) * len(data.train_rows)),
    }
    write_json(arguments.output / "run.json", record)
    print(f"{name}: {len(result.history)} epochs in {seconds:.1f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="the run as JSON")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--observed", required=True, help="splits and observed labels (.npz)")
    parser.add_argument("--images", required=True, help="manifest of the packed images (.json)")
    parser.add_argument("--backbone", required=True, help="state dict of the backbone (.pt)")
    parser.add_argument("--features", type=Path, help="cached features (.npy), for linear_init")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--output", required=True, type=Path, help="folder of the run")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(arguments.settings, arguments)


if __name__ == "__main__":
    run_command(main)
