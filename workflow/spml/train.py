"""Stage *train*: one run, from packed images and observed labels to weights, records and scores.

One run is one dataset, protocol, method and seed. One whose backbone is ``frozen`` is given
features in place of images and backbone. Outputs, all in the run's folder:

weights.pt         state dict of the classifier at the selected epoch; the head alone where frozen
history.jsonl      one object an epoch
predictions.npz    scores in [0, 1]: ``val`` and ``test`` at the selected epoch, ``val_first`` and
                   ``val_last`` after the first and the last epoch
trace.npz          one value a step: loss, mean cost of true and of false negatives, logit range
entries.npy        what each training entry would cost as a negative (epochs, N, C) float16, rows in
                   the order of ``train`` of the observed labels; of no epoch unless
                   ``record_entries``
modified.npy       which of them the loss rejected or corrected, a bit an entry (epochs, N,
                   ceil(C / 8)) uint8, packed by :func:`numpy.packbits`; likewise
run.json           settings, classes, shape of the images, versions, device, time and memory
run.sha256         checksums of all of these

A run that is given the files of one with the same settings, under another name, takes these for its
own; ``run.json`` then names that run as ``copy_of``.

A run that is given a checkpoint file saves its state there, and goes on from it if it was killed.
After SIGTERM it saves and ends with exit status 75; the same command then goes on.
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spml import losses
from spml.data.labels import Labels, load_labels
from spml.data.observation import Observation, load_observation
from spml.data.packed import PackedImages, load_packed
from spml.losses.base import Loss
from spml.measures.selection import select_epoch
from spml.plumbing.addresses import own_checkpoint
from spml.plumbing.allocator import keep_freed_memory
from spml.plumbing.checksums import RUN_CHECKSUMS, checksums_path, verified, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path, read_json, write_json, write_json_lines
from spml.plumbing.interruption import termination_requests
from spml.plumbing.machine import Machine
from spml.training.checkpoint import Checkpoint, save_tensors
from spml.training.devices import claim_device, device_memory, memory_advice
from spml.training.energy import energy_used, read_energy
from spml.training.engine import Data, Result, Settings, Trainer
from spml.training.entries import EntryRecord, write_no_entries
from spml.training.linear_init import HeadTrainer
from spml.training.models import (
    Classifier,
    build_classifier,
    build_frozen_classifier,
    load_backbone,
)
from spml.training.precision import configure
from spml.training.provenance import provenance, run_identity
from spml.training.trace import TRACE_COLUMNS

OUTPUTS = (
    *("weights.pt", "history.jsonl", "predictions.npz", "trace.npz"),
    *("entries.npy", "modified.npy", "run.json"),
)


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


def _build_loss(
    settings: dict[str, Any], total_epochs: int, data: Data, device: torch.device
) -> Loss:
    examples, classes = len(data.train_rows), data.truth.shape[1]
    try:
        loss = losses.build(
            settings["loss"],
            num_classes=classes,
            num_examples=examples,
            total_epochs=total_epochs,
            **settings["hyperparameters"],
        )
    except ValueError as error:
        raise UserError(f"method {settings['method']}: {error}") from error
    # Checkpoints pass through the memory of the computer.
    memory = min(device_memory(device), device_memory(torch.device("cpu")))
    state = sum(value.nbytes for value in loss.state_dict().values())
    if state > memory:
        raise UserError(
            f"method {settings['method']} keeps {state / 1e9:.1f} GB about {examples} examples of "
            f"{classes} classes, but the device or the computer has {memory / 1e9:.1f} GB; use one "
            "with more memory"
        )
    return loss


def _save(result: Result, directory: Path) -> None:
    save_tensors(directory / "weights.pt", result.weights)
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


def _seal(directory: Path) -> None:
    """Write the checksums of a run's files, when the last of them is written."""
    write_checksums(*(directory / name for name in OUTPUTS), into=directory / RUN_CHECKSUMS)


def constant_classes(scores: np.ndarray) -> int:
    """Classes whose scores (N, C) are the same on all pictures, but for the last bits."""
    if len(scores) < 2:
        return 0
    spread = scores.max(axis=0) - scores.min(axis=0)
    return int((spread <= 8 * np.finfo(np.float32).eps * scores.max(axis=0)).sum())


def _report_constant(name: str, scores: np.ndarray) -> int:
    """Count the classes that say nothing about pictures, and tell of them."""
    constant = constant_classes(scores)
    if constant:
        print(
            f"warning: {name}: the validation scores of {constant} of {scores.shape[1]} classes "
            "are the same for every picture, so that they say nothing about it; look at the loss "
            "in history.jsonl, and try another learning_rate",
            file=sys.stderr,
        )
    return constant


def _load_features(path: Path) -> np.ndarray:
    """Features (N, F) float32, memory-mapped."""
    try:
        features: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); delete it and start again: it is made anew"
        ) from error
    return features


def _read_data(arguments: argparse.Namespace, *, frozen: bool) -> tuple[Data, dict[str, Any]]:
    """What the run reads, refused before the first step where it does not belong together.

    With what its record says of it, so that a copy of the run's folder can predict.
    """
    labels = load_labels(arguments.labels)
    observation = load_observation(arguments.observed)
    if frozen:
        train, test = (_load_features(path).view(np.uint8) for path in arguments.features)
        images = PackedImages(train, test)
    else:
        images = load_packed(arguments.images)
    _check_inputs(labels, observation, images)
    data = Data(
        train_images=images.train,
        test_images=images.test,
        train_rows=observation.train,
        val_rows=observation.val,
        truth=labels.train.truth,
        observed=observation.observed,
        annotated=labels.train.annotated,
    )
    description = {
        "classes": list(labels.classes),
        "image_shape": None if frozen else list(images.test.shape[1:]),
        "as_viewed": images.as_viewed,
    }
    return data, description


def _inputs(arguments: argparse.Namespace) -> dict[str, Path]:
    """The files that a run is made from.

    Features are made of two of them, images of a third; where there are features alone, their
    checksums stand for them.
    """
    names = ("labels", "observed", "images", "backbone")
    found = {name: Path(path) for name in names if (path := getattr(arguments, name)) is not None}
    if "images" not in found:
        found |= {f"features_{path.stem}": checksums_path(path) for path in arguments.features}
    return found


def _build_classifier(
    settings: dict[str, Any], arguments: argparse.Namespace, data: Data
) -> Classifier:
    """The classifier that training starts from."""
    classes = data.truth.shape[1]
    if settings["training"].get("frozen", False):
        if settings["head"] != "linear":
            raise UserError(f"method {settings['method']}: a frozen backbone needs the linear head")
        return build_frozen_classifier(data.train_images.shape[1] // 4, classes)
    size = data.train_images.shape[1]
    classifier = build_classifier(settings["architecture"], classes, settings["head"], size=size)
    load_backbone(classifier, arguments.backbone)
    return classifier


def _with_prior(settings: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """The settings with the prior that another run has found for the loss, where there is one."""
    if path is None:
        return settings
    found = read_json(verified(path, path.with_name(RUN_CHECKSUMS)))
    prior = found["findings"].get("prior")
    if prior is None:
        raise UserError(
            f"method {settings['method']}: the run in {path.parent} has found no prior; name a "
            "method in prior_from whose loss ignores unannotated entries"
        )
    return {**settings, "hyperparameters": {**settings["hyperparameters"], "prior": prior}}


def _entry_record(
    arguments: argparse.Namespace,
    training: Settings,
    data: Data,
    device: torch.device,
    *,
    going_on: bool,
) -> EntryRecord | None:
    """Where entries are recorded, beside the checkpoint; None where they are not."""
    if not training.record_entries:
        return None
    shape = (len(data.train_rows), data.truth.shape[1])
    beside = arguments.checkpoint or arguments.output / "run.json"
    return EntryRecord(beside, shape, device, going_on=going_on)


def _linear_init(
    classifier: Classifier,
    settings: dict[str, Any],
    data: Data,
    features: Path,
    state: dict[str, Any],
    **how: Any,
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Fit the head on cached features; return its record and what the loss has learnt by then.

    state: of the checkpoint, empty where there is none. how: the device and what else
    :class:`HeadTrainer` wants to know about this process.
    """
    options = settings["training"]["linear_init"]
    if settings["head"] != "linear":
        raise UserError(f"method {settings['method']}: linear_init needs the linear head")
    loss = _build_loss(settings, options["epochs"], data, how["device"])
    trainer = HeadTrainer(
        classifier.head,
        loss,
        _load_features(features),
        train_rows=data.train_rows,
        val_rows=data.val_rows,
        truth=data.truth,
        observed=data.observed,
        annotated=data.annotated,
        selection=settings["training"]["selection"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        seed=settings["seed"],
        **how,
    )
    if state:
        trainer.load_state(state["linear_init"])
    return asdict(trainer.run()), loss.state_dict()


def train(settings: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Train as ``settings`` say and write the run's folder."""
    machine = Machine(**arguments.machine)
    data, description = _read_data(arguments, frozen=settings["training"].get("frozen", False))
    not_of_the_loop = ("device", "threads", "linear_init")
    options = {k: v for k, v in settings["training"].items() if k not in not_of_the_loop}
    name = "{dataset}/{protocol}/{method}/seed{seed}".format(**settings)
    training = Settings(**options, **settings["images"], seed=settings["seed"], name=name)
    claim = claim_device(settings["training"]["device"], machine.runs_per_gpu)
    device = claim.device
    energy = read_energy(device)
    configure(training.precision, deterministic=training.deterministic, device=device)
    checkpoint = Checkpoint(
        arguments.checkpoint,
        run_identity(settings, _inputs(arguments), device) if arguments.checkpoint else {},
        minutes=machine.checkpoint_minutes,
        other=machine.other_checkpoints,
    )
    state = checkpoint.load() or {}
    going_on = "classifier" in state  # in the loop, not in the phase before it

    # The classifier is drawn before the loss, so that every method starts from the same weights.
    torch.manual_seed(settings["seed"])
    classifier = _build_classifier(settings, arguments, data)
    loss = _build_loss(settings, options["epochs"], data, device)
    advice = memory_advice(name, training.batch_size, training.precision)
    with termination_requests() as stop, advice:
        if settings["training"]["linear_init"] is not None and not going_on:
            checkpoint.notes["linear_init"], learnt = _linear_init(
                classifier,
                settings,
                data,
                arguments.features[0],
                state,
                name=name,
                device=device,
                machine=machine,
                checkpoint=checkpoint,
                stop=stop,
            )
            if loss.keeps_linear_init:
                loss.load_state_dict(learnt)
        entries = _entry_record(arguments, training, data, device, going_on=going_on)
        trainer = Trainer(
            classifier,
            loss,
            data,
            training,
            device,
            machine=machine,
            checkpoint=checkpoint,
            entries=entries,
            stop=stop,
        )
        if going_on:
            trainer.load_state(state)
        result = trainer.run()
    _save(result, arguments.output)
    if entries is None:
        write_no_entries(data.truth.shape[1], arguments.output)
    else:
        entries.finish(len(result.history), arguments.output)

    images = len(result.history) * len(data.train_rows)
    record = {
        "settings": settings,
        **description,
        "seeds": {"weights_and_order": settings["seed"]},
        "precision": training.precision,
        "compile": training.compile,
        "cuda_graphs": training.cuda_graphs,
        "deterministic": training.deterministic,
        "machine": asdict(machine),
        "selected_epoch": select_epoch(result.history, options["selection"]),
        "constant_scores": _report_constant(name, result.val),
        "linear_init": checkpoint.notes.get("linear_init"),
        "findings": loss.findings(),
        "resumed": checkpoint.resumed,
        "seconds": round(checkpoint.seconds(), 3),
        "training_seconds": round(trainer.training_seconds, 3),
        "processor_seconds": round(trainer.processor_seconds, 3),
        "images_per_second": round(images / trainer.training_seconds, 1),
        "energy_joules": energy_used(energy, read_energy(device), resumed=checkpoint.resumed),
        **provenance(device),
    }
    write_json(arguments.output / "run.json", record)
    _seal(arguments.output)
    checkpoint.remove()
    if entries is not None:
        entries.remove()
    print(
        f"{name}: {len(result.history)} epochs in {record['seconds']:.1f} s, "
        f"resumed {checkpoint.resumed} times",
        file=sys.stderr,
    )


def copy_run(settings: dict[str, Any], folder: Path, output: Path) -> None:
    """Write the run's folder from that of a run with the same settings under another name.

    Raises UserError where a file of that run is not as it was written.
    """
    checksums = folder / RUN_CHECKSUMS
    record = read_json(verified(folder / "run.json", checksums))
    for name in OUTPUTS:
        if name != "run.json":
            with atomic_path(output / name) as temporary:
                shutil.copyfile(verified(folder / name, checksums), temporary)
    address = "{dataset}/{protocol}/{method}/seed{seed}".format(**record["settings"])
    own = {**record["settings"], "method": settings["method"]}
    write_json(output / "run.json", {**record, "settings": own, "copy_of": address})
    _seal(output)
    print(f"copied from {address}, whose settings are the same", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="the run as JSON")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--observed", required=True, help="splits and observed labels (.npz)")
    parser.add_argument("--images", help="manifest of the packed images (.json)")
    parser.add_argument("--backbone", help="state dict of the backbone (.pt)")
    parser.add_argument(
        "--features",
        type=Path,
        nargs="+",
        help="features of the training images (.npy), for linear_init; where the backbone is "
        "frozen, those of the test images too, in place of images and backbone",
    )
    parser.add_argument("--prior", type=Path, help="run.json of a run that has found the prior")
    parser.add_argument(
        "--identical", type=Path, nargs="+", help="files of a run with the same settings, to copy"
    )
    parser.add_argument(
        "--machine", type=json.loads, default={}, help="how to use this computer, as JSON"
    )
    parser.add_argument("--checkpoint", type=Path, help="where the run's state is kept (nowhere)")
    parser.add_argument("--output", required=True, type=Path, help="folder of the run")
    arguments = parser.parse_args()
    if arguments.identical:
        copy_run(arguments.settings, arguments.identical[0].parent, arguments.output)
        return
    torch.set_num_threads(arguments.settings["training"]["threads"])
    keep_freed_memory()
    if arguments.checkpoint is not None:
        arguments.checkpoint = own_checkpoint(arguments.checkpoint)
    train(_with_prior(arguments.settings, arguments.prior), arguments)


if __name__ == "__main__":
    run_command(main)
