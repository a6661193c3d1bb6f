"""The energy that a GPU has used, where its driver counts it."""

import torch


def read_energy(device: torch.device) -> float | None:
    """Joules since the driver was loaded, of the whole GPU; None where nothing counts them.

    NVIDIA's drivers count for GPUs from the Volta generation on.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        millijoules: int = pynvml.nvmlDeviceGetTotalEnergyConsumption(
            pynvml.nvmlDeviceGetHandleByUUID(uuid)
        )
    except pynvml.NVMLError:
        return None
    return millijoules / 1000


def energy_used(before: float | None, after: float | None, *, resumed: int) -> float | None:
    """Joules of a run between two readings; None where one is missing or a part was before them."""
    if before is None or after is None or resumed:
        return None
    return round(after - before, 1)
