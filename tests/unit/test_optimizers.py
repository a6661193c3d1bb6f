"""The optimisers against torch's own, and parameters that take their steps row by row."""

import copy

import numpy as np
import pytest
import torch
from small_runs import CPU, make_settings, same
from spml import losses
from spml.plumbing.errors import Interrupted
from spml.training import optimizers, row_adam
from spml.training.engine import Data, Trainer
from spml.training.linear_init import HeadTrainer
from spml.training.models import LinearHead, build_frozen_classifier
from torch.nn.functional import embedding


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_optimisers_take_the_steps_of_torch_s(name):
    ours_made = {"adam": optimizers.adam, "sgd": optimizers.sgd}[name]
    torchs_made = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    options = {"weight_decay": 0.1} | ({"momentum": 0.9} if name == "sgd" else {})
    ours, torchs = ([torch.nn.Parameter(torch.ones(3)) for _ in range(2)] for _ in range(2))
    optimiser = ours_made([{"params": [each], "lr": 0.1} for each in ours], **options)
    reference = torchs_made(
        [{"params": [each], "lr": 0.1} for each in torchs], fused=True, **options
    )
    for step in range(4):
        for each, (first, late) in ((optimiser, ours), (reference, torchs)):
            (first * torch.arange(1.0, 4.0) * (step + 1)).sum().backward()
            if step > 1:  # as the weights of a backbone that was frozen before
                late.square().sum().backward()
            each.step()
            each.zero_grad()
            assert first.grad is late.grad is None
    for one, other in zip(ours, torchs, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, torch.ones(3))


def test_backward_leaves_the_gradients_of_torch_s():
    gradients = []
    for pass_ in (optimizers.backward, torch.Tensor.backward):
        parameter = torch.nn.Parameter(torch.arange(3.0))
        for _ in range(2):  # the second is added
            pass_(parameter.exp().sum())
        gradients.append(parameter.grad)
    assert torch.equal(*gradients)
    with pytest.raises(RuntimeError, match="does not require grad"):
        optimizers.backward(torch.ones(()))


def test_rows_that_catch_up_are_where_adam_has_moved_them():
    """Some have a gradient every few steps, others first after long, or again after long."""
    random = torch.Generator().manual_seed(0)
    start = torch.randn(30, 3, generator=random, dtype=torch.float64)
    ours, torchs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimiser = row_adam.RowAdam([{"params": [ours], "lr": 0.01, "by_example": True}])
    reference = torch.optim.Adam([torchs], lr=0.01)
    gaps = []
    last = {}
    for step in range(400):
        index = torch.randperm(30 if step % 340 < 40 else 15, generator=random)[:4]
        gaps += [step - last.get(row, step) for row in index.tolist()]
        last |= dict.fromkeys(index.tolist(), step)
        # Of any size, so that epsilon matters to some.
        size = 10 ** (-8 * torch.rand(4, 3, generator=random, dtype=torch.float64))
        gradient = size * torch.randn(4, 3, generator=random, dtype=torch.float64)
        optimiser.catch_up(index)
        # What is left of a first moment after `SETTLED` steps, 5e-8, of what a row moves by.
        torch.testing.assert_close(ours[index], torchs[index], rtol=0, atol=1e-8)
        (embedding(index, ours, sparse=True) * gradient).sum().backward()
        torchs.grad = torch.zeros_like(torchs).index_copy(0, index, gradient)
        optimiser.step()
        reference.step()
    assert max(gaps) > row_adam.SETTLED + 80
    optimiser.settle()
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-8)
    for moment in ("exp_avg", "exp_avg_sq"):
        found, expected = optimiser.state[ours][moment], reference.state[torchs][moment]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


ROWS, VALIDATION, FEATURES, CLASSES = 220, 20, 4, 3


def make_trainer(kind: str, batch_size: int = 1, training: int = ROWS):
    """ROLE, for two epochs of a linear head: all of a run, or the first phase of LinearInit."""
    random = np.random.default_rng(0)
    features = random.normal(size=(training + VALIDATION, FEATURES)).astype(np.float32)
    truth = features @ random.normal(size=(FEATURES, CLASSES)) > 0
    observed = np.zeros(truth.shape, np.int8)
    observed[np.arange(len(truth)), truth.argmax(axis=1)] = 1
    rows = np.arange(len(truth))
    torch.manual_seed(0)
    loss = losses.build(
        "role", num_classes=CLASSES, num_examples=training, total_epochs=2, expected_positives=1.5
    )
    if kind == "first phase":
        return HeadTrainer(
            LinearHead(FEATURES, CLASSES), loss, features,
            train_rows=rows[:training], val_rows=rows[training:], truth=truth, observed=observed,
            batch_size=batch_size, learning_rate=0.01, seed=0, name="test/run", device=CPU,
        )  # fmt: skip
    images = features.view(np.uint8)
    data = Data(images, images[:5], rows[:training], rows[training:], truth, observed)
    settings = make_settings(epochs=2, batch_size=batch_size, frozen=True)
    return Trainer(build_frozen_classifier(FEATURES, CLASSES), loss, data, settings, CPU)


def by_rows(trainer) -> bool:
    return isinstance(trainer.optimizer, row_adam.RowAdam)


@pytest.mark.parametrize("kind", ["run", "first phase"])
def test_estimates_of_many_examples_are_those_that_adam_makes(kind, monkeypatch):
    trainer = make_trainer(kind)
    assert by_rows(trainer)
    trainer.run()
    if kind == "run":
        trainer.optimizer.settle()
    with monkeypatch.context() as patch:
        patch.setattr(row_adam, "SETTLED", ROWS)
        dense = make_trainer(kind)
    assert not by_rows(dense)
    dense.run()
    torch.testing.assert_close(trainer.loss.estimator, dense.loss.estimator, rtol=0, atol=2e-5)


def test_few_examples_take_the_steps_of_adam_itself():
    assert not by_rows(make_trainer("run", batch_size=2))
    assert not by_rows(make_trainer("first phase", batch_size=2))


@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_rows_that_decay_take_every_step(weight_decay):
    loss = make_trainer("run").loss
    groups = [{"params": [loss.estimator], "lr": 0.01, "by_example": True}]
    optimizer = row_adam.adam_of(loss, groups, batch_size=1, device=CPU, weight_decay=weight_decay)
    assert isinstance(optimizer, row_adam.RowAdam) == (weight_decay == 0)


@pytest.mark.parametrize("kind", ["run", "first phase"])
def test_rows_go_on_from_a_state_as_if_nothing_had_happened(kind, monkeypatch):
    monkeypatch.setattr(row_adam, "SETTLED", 8)
    whole = make_trainer(kind, training=30)
    assert by_rows(whole)
    expected = whole.run()
    state = None
    for _ in range(4):
        trainer = make_trainer(kind, training=30)
        if state is not None:
            trainer.load_state(state)
        left = iter(range(11))
        trainer.stop = lambda left=left: next(left, None) is None
        with pytest.raises(Interrupted):
            trainer.run()
        state = copy.deepcopy(trainer.state())
    last = make_trainer(kind, training=30)
    last.load_state(state)
    result = last.run()
    assert same(result, expected) if kind == "run" else result == expected
    assert torch.equal(last.loss.estimator, whole.loss.estimator)
