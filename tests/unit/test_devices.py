"""Runs spread over GPUs; no GPU is needed to see that."""

import multiprocessing
import os
import signal

import pytest
import torch
from spml.plumbing.errors import UserError
from spml.training.devices import claim_device, claim_gpu, memory_advice


class NoneLeftError(Exception):
    pass


def give_up() -> None:
    raise NoneLeftError


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_each_run_claims_a_gpu_of_its_own_until_none_is_left(tmp_path):
    first, lock = claim_gpu(["a", "b"], tmp_path)
    second, _other = claim_gpu(["a", "b"], tmp_path)
    assert {first, second} == {0, 1}
    with pytest.raises(NoneLeftError):
        claim_gpu(["a", "b"], tmp_path, wait=give_up)
    lock.close()
    assert claim_gpu(["a", "b"], tmp_path, wait=give_up)[0] == first


def test_runs_that_see_other_devices_claim_by_name_not_by_number(tmp_path):
    """What CUDA_VISIBLE_DEVICES makes number 0 of one process is number 1 of another."""
    claims = [claim_gpu(["b"], tmp_path), claim_gpu(["a", "b"], tmp_path, wait=give_up)]
    assert [position for position, _ in claims] == [0, 0]
    with pytest.raises(NoneLeftError):
        claim_gpu(["b"], tmp_path, wait=give_up)


def test_shared_gpus_fill_evenly(tmp_path):
    claims = [claim_gpu(["a", "b"], tmp_path, 2, give_up) for _ in range(4)]
    assert [position for position, _ in claims] == [0, 1, 0, 1]
    with pytest.raises(NoneLeftError):
        claim_gpu(["a", "b"], tmp_path, 2, give_up)


def test_waits_for_a_gpu_to_become_free(tmp_path, capsys):
    _, lock = claim_gpu(["a"], tmp_path)
    position, _ = claim_gpu(["a"], tmp_path, wait=lock.close)
    assert position == 0
    assert "waiting: 1 GPUs" in capsys.readouterr().err


def _hold(folder, claimed) -> None:
    _claim = claim_gpu(["a"], folder)
    claimed.set()
    signal.pause()


def test_claim_of_a_killed_run_is_free_again(tmp_path):
    # Not the fork server: a process has one for all tests, and that of test_resume.py is to have torch.
    context = multiprocessing.get_context("spawn")
    claimed = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, claimed))
    process.start()
    assert claimed.wait(60)
    with pytest.raises(NoneLeftError):
        claim_gpu(["a"], tmp_path, wait=give_up)
    process.kill()
    process.join()
    assert claim_gpu(["a"], tmp_path, wait=give_up)[0] == 0


def test_device_by_name(tmp_path):
    used = []

    def claim(name: str, gpus: list[str]):
        return claim_device(name, gpus=lambda: gpus, folder=tmp_path, use=used.append)

    assert claim("auto", []).device == torch.device("cpu")
    assert claim("cpu", ["a"]).device == torch.device("cpu")
    kept = [claim("auto", ["a", "b"]), claim("cuda", ["a", "b"])]
    assert [c.device for c in kept] == [torch.device("cuda", 0), torch.device("cuda", 1)]
    # Or graphs would be captured on the first one, whichever it is that has the network.
    assert used == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(UserError, match="torch sees no GPU"):
        claim("cuda", [])


def test_the_gpu_that_slurm_assigned_is_taken_without_a_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    used = []
    for _ in range(2):
        claim = claim_device("auto", gpus=lambda: ["a"], folder=tmp_path, use=used.append)
        assert (claim.device, claim.lock) == (torch.device("cuda", 0), None)
    # Several in one allocation are to be shared out like those of a machine.
    kept = [
        claim_device("auto", gpus=lambda: ["a", "b"], folder=tmp_path, use=used.append)
        for _ in range(2)
    ]
    assert [claim.device.index for claim in kept] == [0, 1]
    assert [device.index for device in used] == [0, 0, 0, 1]


def test_lock_folder_is_made_and_survives(tmp_path):
    folder = tmp_path / "new" / "folder"
    claim_gpu(["a"], folder)
    assert os.listdir(folder) == ["a.0.lock"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA driver error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_names_what_to_lower(error):
    with (
        pytest.raises(UserError) as caught,
        memory_advice("voc/gr/an/seed0", 16, "fp32"),
    ):
        raise error
    assert str(caught.value) == (
        "voc/gr/an/seed0: the device ran out of memory; lower training.batch_size (now 16) or "
        "training.precision (now fp32) to bf16, or let no other run share the device"
    )


def test_other_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="shapes"), memory_advice("run", 16, "bf16"):
        raise RuntimeError("shapes differ")
