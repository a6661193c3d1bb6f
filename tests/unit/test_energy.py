"""The energy counter of a GPU, on a driver that is played."""

import sys
import types

import pytest
import torch
from spml.training.energy import energy_used, read_energy


class NVMLError(Exception):
    pass


@pytest.fixture
def driver(monkeypatch):
    """A driver of one GPU whose counter stands at 12,345 millijoules."""
    played = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID={"GPU-1234": "handle"}.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption={"handle": 12_345}.__getitem__,
    )
    monkeypatch.setitem(sys.modules, "pynvml", played)
    properties = types.SimpleNamespace(uuid="1234")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return played


def test_counter_is_read_in_joules(driver):
    assert read_energy(torch.device("cuda:0")) == pytest.approx(12.345)


def test_gpu_that_does_not_count_has_no_energy(driver):
    def refuse(handle):
        raise NVMLError("Not Supported")

    driver.nvmlDeviceGetTotalEnergyConsumption = refuse
    assert read_energy(torch.device("cuda:0")) is None


def test_without_the_driver_s_library_there_is_no_energy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_energy(torch.device("cuda:0")) is None


def test_cpu_has_no_energy():
    assert read_energy(torch.device("cpu")) is None


def test_energy_of_a_run_is_that_of_one_start():
    assert energy_used(10.0, 25.04, resumed=0) == 15.0
    assert energy_used(10.0, 25.0, resumed=1) is None
    assert energy_used(None, 25.0, resumed=0) is None
