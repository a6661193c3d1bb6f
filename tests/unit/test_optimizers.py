"""The optimisers against torch's own."""

import pytest
import torch
from spml.training import optimizers


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_optimisers_take_the_steps_of_torch_s(name):
    ours_made = {"adam": optimizers.adam, "sgd": optimizers.sgd}[name]
    torchs_made = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    options = {"weight_decay": 0.1} | ({"momentum": 0.9} if name == "sgd" else {})
    ours, torchs = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimiser = ours_made([{"params": [ours], "lr": 0.1}], **options)
    reference = torchs_made([{"params": [torchs], "lr": 0.1}], fused=True, **options)
    for step in range(3):
        for each, parameter in ((optimiser, ours), (reference, torchs)):
            (parameter * torch.arange(1.0, 4.0) * (step + 1)).sum().backward()
            each.step()
            each.zero_grad()
            assert parameter.grad is None
    assert torch.equal(ours, torchs)
    assert not torch.equal(ours, torch.ones(3))
