"""What only a GPU can show of the training loop: streams, graphs, the compiler, exact repeats.

Needs torch, numpy and pytest alone.
"""

import os

# Read by cuBLAS when it is used for the first time, whichever test that is in.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import CLASSES, TRAINING, make_data, make_trainer, same
from spml.plumbing.errors import Interrupted, UserError
from spml.plumbing.machine import Machine
from spml.training.checkpoint import Checkpoint
from spml.training.devices import claim_device, claim_gpu, memory_advice
from spml.training.energy import read_energy
from spml.training.engine import Result, Trainer
from spml.training.entries import EntryRecord
from spml.training.loading import StreamedImages
from spml.training.precision import PRECISIONS, configure
from spml.training.provenance import provenance
from unit.losses.loss_cases import FIRST

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda", 0)
LL_R = ("ll_r", {"delta_rel": 5})


@pytest.fixture(autouse=True)
def _switches():
    """As of a run that is to repeat itself; put back afterwards."""
    configure("fp32", deterministic=True, device=GPU)
    yield
    torch.use_deterministic_algorithms(False)
    configure("fp32", deterministic=False, device=torch.device("cpu"))


def make_gpu_trainer(
    loss: str = "an", hyperparameters: dict[str, Any] | None = None, **options: Any
) -> Trainer:
    """A trainer that reads its images as it goes, as it would those of a large dataset."""
    options = {"machine": Machine(resident_megabytes=0), "flip": True, **options}
    return make_trainer(loss, hyperparameters=hyperparameters, device=GPU, **options)


def run(*loss, **options) -> Result:
    return make_gpu_trainer(*loss, **options).run()


def assert_close(result: Result, expected: Result, tolerance: float) -> None:
    """Whether both trained alike: losses of each epoch and scores, to a relative tolerance."""
    losses = [[record["loss"] for record in each.history] for each in (result, expected)]
    np.testing.assert_allclose(*losses, rtol=tolerance)
    np.testing.assert_allclose(result.val, expected.val, atol=tolerance)


# --------------------------------------------------------------------------------------------------
# Exactness
# --------------------------------------------------------------------------------------------------


def test_trains_as_on_a_processor():
    expected = make_trainer("ll_r", hyperparameters={"delta_rel": 5}, flip=True).run()
    assert_close(run(*LL_R), expected, 1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_repeats_itself_to_the_last_bit(precision):
    configure(precision, deterministic=True, device=GPU)
    assert same(run(*LL_R, precision=precision), run(*LL_R, precision=precision))


@pytest.mark.parametrize(
    "machine",
    [Machine(resident_megabytes=0, workers=w) for w in (0, 1, 4)] + [Machine()],
    ids=["loop", "one", "four", "resident"],
)
def test_result_does_not_depend_on_who_reads_the_images(machine):
    assert same(run(*LL_R, machine=machine), run(*LL_R))


def test_interrupted_run_ends_as_if_nothing_had_happened(tmp_path):
    asked = iter([False] * 9 + [True])
    first = make_gpu_trainer(
        *LL_R, checkpoint=Checkpoint(tmp_path / "run.pt", {}), stop=lambda: next(asked)
    )
    with pytest.raises(Interrupted):
        first.run()
    checkpoint = Checkpoint(tmp_path / "run.pt", {})
    second = make_gpu_trainer(*LL_R, checkpoint=checkpoint)
    second.load_state(checkpoint.load())
    assert same(second.run(), run(*LL_R))


# --------------------------------------------------------------------------------------------------
# Graphs and the compiler
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graphs_change_no_bit(precision):
    """The last batch of an epoch is smaller and passes by the graph."""
    configure(precision, deterministic=True, device=GPU)
    expected = run(*LL_R, precision=precision)
    assert same(run(*LL_R, precision=precision, cuda_graphs=True), expected)


def test_graphs_go_on_from_a_checkpoint(tmp_path):
    asked = iter([False] * 9 + [True])
    first = make_gpu_trainer(
        checkpoint=Checkpoint(tmp_path / "run.pt", {}), cuda_graphs=True, stop=lambda: next(asked)
    )
    with pytest.raises(Interrupted):
        first.run()
    checkpoint = Checkpoint(tmp_path / "run.pt", {})
    second = make_gpu_trainer(checkpoint=checkpoint, cuda_graphs=True)
    second.load_state(checkpoint.load())
    assert same(second.run(), run())


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_compiled_network_trains_nearly_alike(cuda_graphs):
    torch.use_deterministic_algorithms(False)
    assert_close(run(compile=True, cuda_graphs=cuda_graphs), run(), 1e-2)


# --------------------------------------------------------------------------------------------------
# The host does not wait
# --------------------------------------------------------------------------------------------------


class WatchedTrainer(Trainer):
    """In whose steps a call that makes the host wait for the GPU raises RuntimeError."""

    def _take_step(self, *arguments) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            super()._take_step(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(("loss", "hyperparameters"), FIRST, ids=[name for name, _ in FIRST])
def test_no_step_makes_the_host_wait(loss, hyperparameters, tmp_path):
    torch.use_deterministic_algorithms(False)
    entries = EntryRecord(tmp_path / "run.pt", (TRAINING, CLASSES), GPU, going_on=False)
    trainer = make_gpu_trainer(
        loss, hyperparameters, kind=WatchedTrainer, entries=entries, epochs=8
    )
    assert len(trainer.run().history) == 8


def test_watch_of_the_steps_sees_a_host_that_waits(monkeypatch):
    trainer = make_gpu_trainer(kind=WatchedTrainer)
    forward = trainer.loss.forward
    monkeypatch.setattr(
        trainer.loss, "forward", lambda z, s, **how: forward(z, s, **how) + 0 * z.sum().item()
    )
    with pytest.raises(RuntimeError, match="synchroniz"):
        trainer.run()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_arrived_before_they_are_used_and_stay_as_long_as_they_are(workers):
    """The loop launches far ahead of a GPU that is busy, while memory is used again and again."""
    images = np.random.default_rng(0).integers(0, 256, (512, 64, 64, 3), dtype=np.uint8)
    rows = np.random.default_rng(1).permutation(512)
    sums = []
    for batch in StreamedImages(images, GPU, workers).batches(rows, [16] * 32):
        torch.cuda._sleep(2_000_000)  # cycles: about a millisecond
        sums.append(batch.long().sum(dim=(1, 2, 3)))
    expected = images[rows].astype(np.int64).sum(axis=(1, 2, 3))
    np.testing.assert_array_equal(torch.cat(sums).cpu().numpy(), expected)


# --------------------------------------------------------------------------------------------------
# The machine
# --------------------------------------------------------------------------------------------------


class StillTakenError(Exception):
    pass


def test_claimed_gpu_is_taken(tmp_path, monkeypatch):
    def give_up() -> None:
        raise StillTakenError

    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    claim = claim_device("auto", folder=tmp_path)
    name = str(torch.cuda.get_device_properties(claim.device).uuid)
    with pytest.raises(StillTakenError):
        claim_gpu([name], tmp_path, wait=give_up)


def test_running_out_of_memory_says_what_to_lower():
    with (
        pytest.raises(UserError, match=r"lower training\.batch_size \(now 8\)"),
        memory_advice("test/run", 8, "fp32"),
    ):
        torch.empty(1 << 50, dtype=torch.uint8, device=GPU)


def test_energy_and_memory_are_counted():
    pytest.importorskip("pynvml", reason="needs the driver's library")
    before = read_energy(GPU)
    if before is None:
        pytest.skip("this GPU does not count its energy")
    matrix = torch.rand(4096, 4096, device=GPU)
    for _ in range(200):
        matrix = matrix @ matrix / 4096
    torch.cuda.synchronize()
    assert read_energy(GPU) > before
    assert provenance(GPU)["peak_device_memory_mb"] >= 64


@pytest.mark.parametrize("precision", PRECISIONS)
def test_network_of_both_papers_trains_from_files_of_their_size(precision):
    images = np.random.default_rng(0).integers(0, 256, (60, 448, 448, 3), dtype=np.uint8)
    result = run(
        data=replace(make_data(), train_images=images, test_images=images[:10]),
        architecture="resnet50",
        precision=precision,
        cuda_graphs=True,
        epochs=1,
        learning_rate=1e-5,
        mean=[0.45] * 3,
        deviation=[0.25] * 3,
    )
    assert np.isfinite(result.history[0]["loss"])
