"""Compiled and graphed networks in the training loop; what torch makes of them is its business."""

import pytest
import torch
from small_runs import CLASSES, CPU, make_trainer, same
from spml.plumbing.errors import UserError
from spml.training.forward import captured
from spml.training.models import build_classifier
from spml.training.precision import autocast


def test_compiled_network_takes_the_place_of_the_other_in_full_batches(monkeypatch):
    """What the compiler does is torch's business; here it counts the calls."""
    calls, modes = [], []

    def fake(module, *, dynamic, mode):
        assert not dynamic
        modes.append(mode)
        return lambda inputs: calls.append((len(inputs), module.training)) or module(inputs)

    monkeypatch.setattr(torch, "compile", fake)
    expected = make_trainer().run()
    assert same(make_trainer(compile=True).run(), expected)
    assert same(make_trainer(compile=True, cuda_graphs=True).run(), expected)
    assert calls == [(8, True)] * 5 * 3 * 2
    assert modes == ["default", "reduce-overhead"]


def test_compiler_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match=r"training\.compile needs a C compiler, and there is none"):
        make_trainer(compile=True).run()


def test_compiled_network_takes_no_part_in_frozen_epochs(monkeypatch):
    calls = []
    monkeypatch.setattr(
        torch, "compile", lambda module, **how: lambda x: calls.append(1) or module(x)
    )
    gr = {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1}
    make_trainer("gr", hyperparameters={**gr, "linear_init": 1}, epochs=2, compile=True).run()
    assert len(calls) == 5


def test_graphs_change_nothing_where_there_is_no_gpu():
    assert same(make_trainer(cuda_graphs=True).run(), make_trainer().run())


def test_capturing_leaves_the_network_and_the_random_states_as_they_were():
    """torch runs the network a few times to capture it; here that is all that it does."""
    torch.manual_seed(0)
    classifier = build_classifier("digit_network", CLASSES).eval()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    inputs = torch.randn(8, 1, 16, 16)
    random_state = torch.get_rng_state()
    modes = []

    def fake(module, sample):
        for _ in range(3):
            modes.append((module.training, torch.is_autocast_cache_enabled()))
            module(sample[0] + torch.randn(()))
        return module

    precision = autocast("bf16", CPU, cache=False)
    forward = captured(classifier, inputs, precision, fake)
    assert modes == [(True, False)] * 3
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(forward(inputs), classifier(inputs))
