"""What exhibits read of finished runs, always by the address of the run."""

from typing import Any

import numpy as np
import pandas as pd

from spml.addresses import labels_path, observed_path, run_path
from spml.arrays import open_arrays
from spml.exhibits.settings import Block
from spml.files import read_json
from spml.labels import load_labels
from spml.observe import load_observation


def read_arrays(block: Block, method: str, seed: int, file: str) -> dict[str, np.ndarray]:
    """All arrays of one ``.npz`` of one run."""
    path = run_path(block.dataset, block.protocol, method, seed) / file
    with open_arrays(path) as arrays:
        return dict(arrays)


def read_array(block: Block, method: str, seed: int, file: str, name: str) -> np.ndarray:
    """One array of one ``.npz`` of one run; the others, which may be large, are not read."""
    path = run_path(block.dataset, block.protocol, method, seed) / file
    with open_arrays(path) as arrays:
        return arrays[name]


def read_record(block: Block, method: str, seed: int) -> dict[str, Any]:
    """The record of one run: its settings, and what became of them."""
    return read_json(run_path(block.dataset, block.protocol, method, seed) / "run.json")


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
