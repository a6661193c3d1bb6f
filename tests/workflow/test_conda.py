"""Each step in an environment of its own: ``snakemake --sdm conda`` with a stand-in for conda."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "conda"))

from channel import ACTIVATE, make_channel
from checkouts import ROOT, SMALL, Checkout
from web_server import serve

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

# A step in each environment: download; compose, observe and evaluate; pretrain and train; a figure.
TARGETS = [
    "data/raw/voc/notes.txt.receipt.json",
    "results/runs/digits/demo/gr/seed0/metrics.json",
    "results/exhibits/gr/class_counts.png",
]
ENVIRONMENTS = {
    "download": ("tqdm", "torch"),
    "prepare": ("PIL", "torch"),
    "train": ("torchvision", "pandas"),
    "report": ("seaborn", "torch"),
}


@dataclass(frozen=True)
class CondaCheckout(Checkout):
    """A checkout in which conda is the stand-in, before all else on the search path."""

    home: Path = Path()

    def environment(self) -> dict[str, str]:
        plain = super().environment()
        return {**plain, "PATH": f"{self.home / 'bin'}{os.pathsep}{plain['PATH']}"}

    def finds(self, name: str, module: str) -> bool:
        """Whether a module is in the environment of this name; when made, it has imported its own."""
        content = (self.path / f"envs/{name}.yaml").read_text()
        folder = self.path / ".snakemake/conda"
        [found] = [path for path in folder.glob("*.yaml") if path.read_text() == content]
        code = f"from importlib.util import find_spec; print(find_spec('{module}') is not None)"
        python = found.with_suffix("") / "bin/python"
        done = subprocess.run([python, "-c", code], env={}, capture_output=True, check=True)
        return done.stdout == b"True\n"


@pytest.fixture
def conda_checkout(pristine, tmp_path) -> Iterator[CondaCheckout]:
    home = tmp_path / "conda"
    channel = make_channel(home / "channel")
    (home / "bin").mkdir()
    (home / "bin/activate").write_text(ACTIVATE)
    command = home / "bin/conda"
    command.write_text(
        f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/conda/stand_in.py {channel} "$@"\n'
    )
    command.chmod(0o755)
    path = pristine.copy(tmp_path / "checkout").path
    (files := tmp_path / "files").mkdir()
    (files / "notes.txt").write_text("A file to download.")
    header = (path / "config/datasets.tsv").read_text().splitlines()[0]
    (tmp_path / "server").mkdir()
    with serve({"files": files}, tmp_path / "server") as server:
        address = f"{server.address}/files/notes.txt"
        row = ["voc", "notes.txt", "all", address, "", "19", "", "none", "open"]
        (path / "registry.tsv").write_text(header + "\n" + "\t".join(row) + "\n")
        (path / "registry.yaml").write_text(json.dumps({"download": {"registry": "registry.tsv"}}))
        yield CondaCheckout(path, ("--sdm", "conda", *SMALL, "registry.yaml"), home)


def test_every_step_runs_in_its_own_environment_and_sees_nothing_else(conda_checkout):
    printed = conda_checkout.snakemake(*TARGETS)
    for target in TARGETS:
        assert (conda_checkout.path / target).exists()
    for name, (there, elsewhere) in ENVIRONMENTS.items():
        assert f"Creating conda environment envs/{name}.yaml" in printed
        assert "Running post-deploy script" in printed
        assert conda_checkout.finds(name, there)
        assert not conda_checkout.finds(name, elsewhere), f"{name}: {elsewhere}"
    # A second call has its environments already, and nothing to do.
    printed = conda_checkout.ask(*TARGETS)
    assert "Creating conda environment" not in printed
    assert "Nothing to be done" in printed


def test_machine_without_a_gpu_gets_the_torch_without_cuda(conda_checkout):
    device = ("--config", "device=cpu")
    backbone = "results/backbones/digit_network.pt"
    printed = conda_checkout.snakemake("--conda-create-envs-only", backbone, *device)
    assert "Creating conda environment envs/train_cpu.yaml" in printed
    assert "envs/train.yaml" not in printed
    assert "Running post-deploy script" in printed
    assert conda_checkout.finds("train_cpu", "torch")


# What needs an environment and as few others as there are.
ASKS_FOR = {
    "download": TARGETS[0],
    "prepare": "results/labels/digits.npz",
    "train": "results/backbones/digit_network.pt",
    "report": TARGETS[2],
}


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("prepare", "tqdm==", "tqdm==4.0.0 # ", "but the lock has"),
        ("report", "seaborn==", "tqdm==4.70.1 # ", "No module named 'seaborn'"),
        ("download", "curl >=8", "curl >=9", "curl"),
        ("train", "conda-forge", "defaults", "channels are"),
    ],
)
def test_environment_that_is_wrong_is_not_made(conda_checkout, name, old, new, told):
    conda_checkout.edit(f"envs/{name}.yaml", old, new)
    printed = conda_checkout.ask("--conda-create-envs-only", ASKS_FOR[name], fails=True)
    assert told in printed
    assert not list((conda_checkout.path / "results").glob("*/"))


def test_container_file_makes_every_environment(conda_checkout):
    """What ``snakemake --containerize`` prints, which needs no network, and a linter says of it."""
    printed = conda_checkout.ask("--containerize")
    dockerfile = printed[printed.index("FROM ") :]
    for name in ENVIRONMENTS:
        content = (conda_checkout.path / f"envs/{name}.yaml").read_text()
        shown = dockerfile.replace("#   ", "")
        assert f"envs/{name}.yaml" in dockerfile
        assert all(line.strip() in shown for line in content.splitlines() if "==" in line)
    created = [line for line in dockerfile.splitlines() if "env create" in line]
    assert len(created) == len(ENVIRONMENTS)
    # Which image it starts from is Snakemake's choice.
    linter = [str(Path(sys.executable).with_name("hadolint")), "--ignore", "DL3007", "-"]
    linted = subprocess.run(linter, input=dockerfile, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout
    spoilt = dockerfile.replace("COPY", "ADD", 1)
    assert subprocess.run(linter, input=spoilt, capture_output=True, text=True).returncode == 1
