"""A results folder as finished runs leave it, with made-up numbers, for tests of what reads it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from spml.compare import compare, resample
from spml.data.drawing import draw_known, draw_observed
from spml.data.labels import Labels, Split, save_labels
from spml.data.observation import Observation, save_observation
from spml.evaluate import measure
from spml.observe import thin_out
from spml.planning.configuration import Run, run_settings
from spml.planning.shown import compared_pairs
from spml.planning.stage_settings import comparison_settings
from spml.plumbing.addresses import comparison_path, labels_path, observed_path, run_path
from spml.plumbing.checksums import RUN_CHECKSUMS, write_checksums
from spml.plumbing.files import write_json, write_json_lines

ROOT = Path(__file__).parents[2]
CLASSES = ("cat", "dog & co", "bird")
IMAGES = {"train": 60, "test": 50}
EXHIBITS = (
    "gr_main_table",
    "gr_class_counts",
    "gr_separation",
    "gr_false_negative_rate",
    "ll_memorisation_curve",
    "extra_learning_curves",
)
STEPS_PER_EPOCH = 20
EPOCHS = 3
TRAINING = {
    "epochs": EPOCHS,
    "batch_size": 2,
    "optimizer": "adam",
    "learning_rate": 0.00001,
    "head_learning_rate_multiplier": 10,
    "momentum": 0.9,
    "weight_decay": 0,
    "early_stop_gap": None,
    "linear_init": None,
    "selection": "clean",
}


def configuration(
    *,
    datasets: tuple[str, ...] = ("alpha",),
    protocols: tuple[str, ...] = ("demo",),
    methods: tuple[str, ...] = ("bce", "an", "gr"),
    seeds: tuple[int, ...] = (0, 1, 2),
) -> dict[str, Any]:
    """A merged configuration that selects these; exhibits are defined as in the project.

    Only on which datasets and with which seeds they are shown is left to the selection.
    """
    text = (ROOT / "config/exhibits.yaml").read_bytes()
    exhibits = yaml.load(text, Loader=yaml.CSafeLoader)
    for definition in exhibits["exhibits"].values():
        for key in ("datasets", "protocols", "seeds"):
            definition.pop(key, None)
    return {
        "select": {
            "datasets": list(datasets),
            "protocols": list(protocols),
            "methods": list(methods),
            "seeds": list(seeds),
            "exhibits": list(EXHIBITS),
        },
        "device": "auto",
        "threads": 1,
        "observations": {
            "single_positive": {"positives": 1, "negatives": 0, "seed": 3},
            "full": {"positives": "all", "negatives": "all", "seed": 3},
        },
        "datasets": {
            name: {
                "title": name.title(),
                "backbone": {"architecture": "digit_network"},
                "images": {"mean": [0.1], "deviation": [0.2], "flip": False},
            }
            for name in datasets
        },
        "protocols": {
            name: {
                "title": name.title(),
                "observation": "single_positive",
                "training": dict(TRAINING),
            }
            for name in protocols
        },
        "methods": {
            "bce": {"title": "Full labels", "loss": "bce", "observation": "full"},
            "an": {"title": "AN", "loss": "an"},
            "gr": {"title": "GR_1 <x>", "loss": "gr"},
        },
        "exhibits": {
            name: {key: value for key, value in definition.items() if key != "datasets"}
            for name, definition in exhibits["exhibits"].items()
        },
    }


def _scores(truth: np.ndarray, quality: float, random: np.random.Generator) -> np.ndarray:
    """Probabilities with many ties, higher where the class is present."""
    noisy = quality * truth + random.random(truth.shape)
    return (noisy / noisy.max()).round(2).astype(np.float32)


def write_results(config: dict[str, Any], groups: Sequence[np.ndarray] = ()) -> None:
    """Write labels, observed labels and all runs of ``config`` below the working directory.

    The published numbers of the project lie beside them. groups: classes whose mAP is given too.
    """
    shutil.copytree(ROOT / "config/published", "config/published")
    random = np.random.default_rng(5)
    select = config["select"]
    for dataset in select["datasets"]:
        splits = {}
        for split, count in IMAGES.items():
            truth = random.random((count, len(CLASSES))) < 0.5
            truth[:, 0] |= ~truth.any(axis=1)
            names = np.array([f"{number}.png" for number in range(count)])
            splits[split] = Split(images=names, truth=truth)
        labels = Labels(classes=CLASSES, **splits)
        save_labels(labels_path(dataset), labels)
        rows = random.permutation(IMAGES["train"])
        train, val = np.sort(rows[:40]), np.sort(rows[40:])
        for protocol in select["protocols"]:
            for name, definition in config["observations"].items():
                truth = labels.train.truth
                if "known" in definition:
                    share, seed = definition["known"], definition["seed"]
                    observed = draw_known(truth, share=share, seed=seed)
                else:
                    draw = {key: definition[key] for key in ("positives", "negatives", "seed")}
                    observed = draw_observed(truth, **draw)
                kept = thin_out(train, fraction=definition.get("fraction", 1.0))
                save_observation(
                    observed_path(dataset, protocol, name), Observation(kept, val, observed)
                )
            for place, method in enumerate(select["methods"]):
                for seed in select["seeds"]:
                    folder = run_path(dataset, protocol, method, seed)
                    _write_run(folder, labels, val, 1.0 - 0.1 * place, random, groups)
                    _write_record(folder, config, Run(dataset, protocol, method, seed))


def write_comparisons(config: dict[str, Any], key: str) -> None:
    """Compare the methods of an exhibit on each block, as its rule does."""
    for pair in compared_pairs(config, key):
        settings = comparison_settings(config, key, **pair)
        path = comparison_path(key, **pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        found = resample(settings)
        compare(settings, found).to_csv(path, index=False)
        resamples = comparison_path(key, **pair, suffix=".npz")
        np.savez(resamples, **found._asdict())
        write_checksums(path, resamples)


def _write_run(
    folder: Path,
    labels: Labels,
    val: np.ndarray,
    quality: float,
    random: np.random.Generator,
    groups: Sequence[np.ndarray],
) -> None:
    folder.mkdir(parents=True)
    val_truth, test_truth = labels.train.truth[val], labels.test.truth
    scores = {
        "val": _scores(val_truth, quality, random),
        "test": _scores(test_truth, quality, random),
        "val_first": _scores(val_truth, 0.1, random),
        "val_last": _scores(val_truth, quality, random),
    }
    np.savez(folder / "predictions.npz", **scores)
    write_json(
        folder / "metrics.json",
        {
            "val": measure(scores["val"], val_truth, groups=groups),
            "test": measure(scores["test"], test_truth, groups=groups),
            "selected_epoch": 2,
        },
    )
    write_checksums(folder / "metrics.json")
    write_checksums(folder / "predictions.npz", into=folder / RUN_CHECKSUMS)
    steps = STEPS_PER_EPOCH * EPOCHS
    np.savez(
        folder / "trace.npz",
        steps_per_epoch=STEPS_PER_EPOCH,
        true_negative_loss=random.random(steps),
        false_negative_loss=random.random(steps),
    )
    write_json_lines(
        folder / "history.jsonl",
        [
            {
                "epoch": epoch,
                "val_map": 100 * random.random(),
                "schedule": {"w": 2 * (epoch - 1) / EPOCHS, "b": -2.0},
            }
            for epoch in range(1, EPOCHS + 1)
        ],
    )


def _write_record(folder: Path, config: dict[str, Any], run: Run) -> None:
    write_json(
        folder / "run.json",
        {
            "settings": run_settings(config, *run),
            "selected_epoch": 2 + run.seed % 2,
            "git_commit": "0123456789abcdef",
            "git_dirty": run.seed > 0,
            "versions": {"python": "3.12.1", "torch": "2.11.0"},
            "device": "cpu",
            "peak_device_memory_mb": 0,
        },
    )
    write_json_lines(
        Path("results/benchmarks/train", *run[:3], f"seed{run.seed}.jsonl"),
        [{"s": 10.0 + run.seed, "cpu_time": 8.0 + run.seed, "max_rss": 600.0 + run.seed}],
    )
