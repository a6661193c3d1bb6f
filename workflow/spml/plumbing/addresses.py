"""Where results lie. A run, a table and an exhibit are each addressed by their path alone.

All paths are relative to the folder that the workflow runs in.
"""

import hashlib
import os
from pathlib import Path
from typing import Literal

RUN = "results/runs/{dataset}/{protocol}/{method}/seed{seed}"
CHECKPOINT = "data/checkpoints/{dataset}/{protocol}/{method}/seed{seed}.pt"
LABELS = "results/labels/{dataset}.npz"
OBSERVED = "results/observed/{dataset}/{protocol}/{observation}.npz"
PICTURES = "results/pictures/{dataset}/{protocol}/{observation}.json"
PACKED = "data/packed/{dataset}/manifest.json"
FEATURES = "results/features/{dataset}/{split}.npy"
TABLE = "results/tables/{paper}/{name}.csv"
COMPARISON = "results/comparisons/{paper}/{name}/{dataset}/{protocol}{suffix}"
PUBLISHED = "config/published/{paper}_{name}.csv"
EXHIBITS = "results/exhibits/{paper}"
MAPPING_TABLE = "results/losses/mapping.csv"
GRADIENT_TABLE = "results/losses/gradients.csv"
METHOD_GRADIENT_TABLE = "results/losses/method_gradients.csv"
SEARCH_TABLE = "results/search/validation.csv"
CHOSEN = "results/search/chosen.yaml"
REPORT = "results/report/index.html"


def run_path(dataset: str, protocol: str, method: str, seed: int) -> Path:
    """Folder of one run."""
    return Path(RUN.format(dataset=dataset, protocol=protocol, method=method, seed=seed))


def own_checkpoint(path: Path) -> Path:
    """Where a checkpoint lies in truth: as it is called, or in a folder of this checkout's own.

    The latter where data is a link, which other checkouts may have too: their runs of the same name
    are not the same runs.
    """
    parts = path.parts
    if parts[:2] != Path(CHECKPOINT).parts[:2] or not Path(parts[0]).is_symlink():
        return path
    checkout = hashlib.sha256(os.fsencode(Path.cwd())).hexdigest()[:12]
    return Path(*parts[:2], f"of_{checkout}", *parts[2:])


def checkpoint_path(dataset: str, protocol: str, method: str, seed: int) -> Path:
    """State of a run that has not ended."""
    name = CHECKPOINT.format(dataset=dataset, protocol=protocol, method=method, seed=seed)
    return own_checkpoint(Path(name))


def labels_path(dataset: str) -> Path:
    """Labels of a dataset."""
    return Path(LABELS.format(dataset=dataset))


def observed_path(dataset: str, protocol: str, observation: str) -> Path:
    """Division into training and validation rows, and the observed labels."""
    return Path(OBSERVED.format(dataset=dataset, protocol=protocol, observation=observation))


def pictures_path(dataset: str, protocol: str, observation: str) -> Path:
    """Some pictures of a dataset, with what is observed of them."""
    return Path(PICTURES.format(dataset=dataset, protocol=protocol, observation=observation))


def packed_path(dataset: str) -> Path:
    """Manifest of the packed images of a dataset."""
    return Path(PACKED.format(dataset=dataset))


def table_path(paper: str, name: str) -> Path:
    """Tidy table of an exhibit."""
    return Path(TABLE.format(paper=paper, name=name))


def comparison_path(
    key: str, *, dataset: str, protocol: str, suffix: Literal[".csv", ".npz"] = ".csv"
) -> Path:
    """Differences to the reference of an exhibit, on one dataset under one protocol."""
    paper, name = split_key(key)
    place = {"paper": paper, "name": name, "dataset": dataset, "protocol": protocol}
    return Path(COMPARISON.format(**place, suffix=suffix))


def published_path(paper: str, name: str) -> Path:
    """Published numbers that an exhibit shows beside ours."""
    return Path(PUBLISHED.format(paper=paper, name=name))


def split_key(key: str) -> tuple[str, str]:
    """Paper and name of an exhibit: ``gr_main_table`` is ``main_table`` of paper ``gr``."""
    paper, _, name = key.partition("_")
    return paper, name


def exhibit_path(key: str, suffix: str) -> Path:
    """One file of an exhibit; ``suffix`` begins with a dot."""
    paper, name = split_key(key)
    return Path(EXHIBITS.format(paper=paper)) / f"{name}{suffix}"
