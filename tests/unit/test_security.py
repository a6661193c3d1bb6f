"""What comes from elsewhere is hostile: files, addresses and names."""

import csv
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from spml.data.packed import load_packed
from spml.datasets import nuswide
from spml.localise import load_run
from spml.planning.registry import RegistryError, read_registry
from spml.plumbing.arrays import open_arrays
from spml.plumbing.errors import UserError
from spml.training.checkpoint import Checkpoint
from spml.training.models import build_classifier, load_backbone

ROOT = Path(__file__).parents[2]


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def evil(tmp_path):
    """A hostile object; at the end nothing may have been run."""
    target = tmp_path / "pwned"
    yield Evil(target)
    assert not target.exists()


def load_backbone_file(path: Path) -> None:
    load_backbone(build_classifier("digit_network", 2), path)


def load_run_file(path: Path) -> None:
    load_run({"head": "linear", "architecture": "digit_network"}, 2, path)


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
@pytest.mark.parametrize(
    "load",
    [load_backbone_file, load_run_file, lambda path: Checkpoint(path, {}).load()],
    ids=["backbone", "weights", "checkpoint"],
)
def test_weights_that_hold_code_are_refused(tmp_path, evil, save, load):
    save({"0.weight": evil}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt"):
        load(tmp_path / "evil.pt")


def test_weights_that_are_no_tensors_are_refused(tmp_path):
    state = build_classifier("digit_network", 2).backbone.state_dict()
    torch.save({**state, "0.weight": [[1.0]]}, tmp_path / "odd.pt")
    with pytest.raises(UserError, match="does not hold weights"):
        load_backbone_file(tmp_path / "odd.pt")


def test_arrays_that_hold_code_are_refused(tmp_path, evil):
    objects = np.array([evil], dtype=object)
    np.save(tmp_path / "train.npy", objects)
    np.save(tmp_path / "test.npy", objects)
    np.savez(tmp_path / "evil.npz", evil=objects)
    (tmp_path / "manifest.json").write_text(
        '{"train": {"file": "train.npy", "shape": [1]}, "test": {"file": "test.npy", "shape": [1]}}'
    )
    with pytest.raises(UserError, match=r"train\.npy cannot be read"):
        load_packed(tmp_path / "manifest.json")
    with (
        pytest.raises(ValueError, match="allow_pickle"),
        open_arrays(tmp_path / "evil.npz") as arrays,
    ):
        arrays["evil"]
    (tmp_path / "train.npy").rename(tmp_path / "formatted_train_images.npy")
    with pytest.raises(UserError, match="is not one of the lists"):
        nuswide.read_split(tmp_path, "train")


# --- the registry ---------------------------------------------------------------------------------

with (ROOT / "config/datasets.tsv").open(encoding="utf-8", newline="") as _lines:
    ROWS = list(csv.DictReader(_lines, delimiter="\t"))
ROOTS = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())["download"]["roots"]
# Hosts without an encrypted service of that name.
UNENCRYPTED = {"host.robots.ox.ac.uk", "images.cocodataset.org"}


def test_every_file_that_anybody_can_get_has_a_checksum():
    assert ROWS
    for row in ROWS:
        if row["access"] == "open":
            assert re.fullmatch(r"(sha256|md5):[0-9a-f]{8,}", row["checksum"]), row["file"]


def test_addresses_are_encrypted_and_others_the_last_resort():
    for row in read_registry(ROOT / "config/datasets.tsv", ROOTS):
        encrypted = [address.startswith("https://") for address in row.addresses]
        assert encrypted[0], f"{row.file} has no encrypted address"
        assert encrypted == sorted(encrypted, reverse=True), row.file
        plain = row.addresses[sum(encrypted) :]
        assert {address.split("/")[2] for address in plain} <= UNENCRYPTED, row.file


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("address", value) for value in ("file:///etc/passwd", "-K/etc/passwd", "https://a b")),
        *(("mirrors", value) for value in ("ftp://x/y", "https://ok/f --output=/etc/x")),
        *(
            ("file", value)
            for value in ("../x", "-x", "a b", "$(id)", "a;b", "a'b", "x\u00a0y", ".x")
        ),
        *(("checksum", value) for value in ("sha256:$(id)", "crc:00")),
        ("bytes", "1;2"),
    ],
)
def test_hostile_rows_are_refused(tmp_path, column, value):
    good = dict.fromkeys(ROWS[0], "") | {
        "dataset": "x", "file": "f.zip", "holds": "all", "address": "https://x/f", "access": "open",
    }  # fmt: skip
    path = tmp_path / "registry.tsv"
    for row, fails in ((good, False), ({**good, column: value}, True)):
        path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n", encoding="utf-8")
        if not fails:
            assert len(read_registry(path, {})) == 1
            continue
        with pytest.raises(RegistryError):
            read_registry(path, {})
