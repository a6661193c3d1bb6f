"""What exhibits read of finished runs, always by the address of the run."""

from typing import Any

import numpy as np
import pandas as pd

from spml.data.labels import load_labels
from spml.data.matrices import dense
from spml.data.observation import load_observation
from spml.exhibits.settings import Block
from spml.plumbing.addresses import comparison_path, labels_path, observed_path, run_path
from spml.plumbing.arrays import open_arrays
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json


def read_arrays(block: Block, method: str, seed: int, file: str) -> dict[str, np.ndarray]:
    """All arrays of one ``.npz`` of one run."""
    path = run_path(block.dataset, block.protocol, method, seed) / file
    with open_arrays(path) as arrays:
        return dict(arrays)


def read_comparison(settings: dict[str, Any], block: Block) -> dict[str, dict[str, Any]]:
    """What :mod:`spml.compare` found of each method of an exhibit on one block."""
    key = f"{settings['paper']}_{settings['name']}"
    path = verified(comparison_path(key, dataset=block.dataset, protocol=block.protocol))
    return pd.read_csv(path).set_index("method").to_dict("index")


def read_array(block: Block, method: str, seed: int, file: str, name: str) -> np.ndarray:
    """One array of one ``.npz`` of one run; the others, which may be large, are not read."""
    path = run_path(block.dataset, block.protocol, method, seed) / file
    with open_arrays(path) as arrays:
        return arrays[name]


def read_record(block: Block, method: str, seed: int) -> dict[str, Any]:
    """The record of one run: its settings, and what became of them."""
    return read_json(run_path(block.dataset, block.protocol, method, seed) / "run.json")


def whole_truth(block: Block) -> np.ndarray:
    """Truth (N, C) bool of the training split; a UserError where it is annotated in part."""
    truth = load_labels(labels_path(block.dataset)).train.truth
    if not isinstance(truth, np.ndarray):
        raise UserError(
            f"{block.dataset} is annotated in part, so nobody knows its false negatives; leave it "
            "out of the exhibit"
        )
    return truth


def training_entries(block: Block, method: str) -> dict[str, np.ndarray]:
    """Masks (N, C) bool over the training rows of a method.

    ``true_positives`` are observed; ``false_negatives`` and ``true_negatives`` are not, and the
    truth tells them apart.
    """
    truth = whole_truth(block)
    observation = load_observation(
        observed_path(block.dataset, block.protocol, block.observation_of(method))
    )
    observed, truth = dense(observation.observed[observation.train]), truth[observation.train]
    return {
        "true_positives": observed == 1,
        "true_negatives": (observed == 0) & ~truth,
        "false_negatives": (observed == 0) & truth,
    }


def read_recorded(block: Block, method: str, seed: int, file: str) -> np.ndarray:
    """What a run has recorded epoch by epoch (.npy), memory-mapped; nothing is a UserError."""
    path = run_path(block.dataset, block.protocol, method, seed) / file
    try:
        recorded = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); delete it and start again: it is made anew"
        ) from error
    if not len(recorded):
        raise UserError(
            f"{path} is empty: {method} does not record what becomes of each entry; set "
            f"methods.{method}.training.record_entries: true"
        )
    return recorded


def mean_positives(block: Block) -> float:
    """Mean number of true positives of a training image."""
    truth = load_labels(labels_path(block.dataset)).train.truth
    rows = load_observation(observed_path(block.dataset, block.protocol, block.observation)).train
    return float(truth[rows].sum(axis=1).mean())


def block_columns(block: Block, **values: Any) -> dict[str, Any]:
    """A row of an exhibit's data, which opens with the block that it belongs to."""
    return {"dataset": block.dataset, "protocol": block.protocol, **values}


def select_rows(frame: pd.DataFrame, block: Block, method: str | None = None) -> pd.DataFrame:
    """The rows of one block and, where it is given, of one method."""
    chosen = (frame["dataset"] == block.dataset) & (frame["protocol"] == block.protocol)
    if method is not None:
        chosen &= frame["method"] == method
    return frame[chosen]
