"""ROLE: the label estimator's start, its state and its training."""

import math

import numpy as np
import pytest
import torch
from loss_cases import evaluate, make

CHOSEN = {"expected_positives": 1.5}
LIMIT = math.log(0.6 / 0.4)


def test_the_estimator_starts_between_04_and_06():
    torch.manual_seed(0)
    loss = make("role", CHOSEN, 20, 500)
    q = torch.sigmoid(loss.estimator.detach())
    assert loss.estimator.shape == (500, 20)
    assert q.min() >= 0.4
    assert q.max() <= 0.6
    assert q.min() < 0.4005
    assert q.max() > 0.5995
    # Uniform in the logits: their mean square is the third part of the limit's.
    square = loss.estimator.detach().square().mean().item()
    assert square == pytest.approx(LIMIT**2 / 3, rel=0.03)
    torch.manual_seed(0)
    assert make("role", CHOSEN, 20, 500).estimator.equal(loss.estimator)


def test_observed_entries_are_set_when_first_seen():
    loss = make("role", CHOSEN, 3, 5)
    start = loss.estimator.detach().clone()
    evaluate(loss, [[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]], [[1, 0, 0], [0, 0, -1]], [4, 2], 1)
    expected = start.clone()
    expected[4, 0] = math.log(0.995 / 0.005)
    expected[2, 2] = math.log(0.005 / 0.995)
    torch.testing.assert_close(loss.estimator.detach(), expected)
    q = torch.sigmoid(loss.estimator.detach())
    assert q[4, 0].item() == pytest.approx(0.995)
    assert q[2, 2].item() == pytest.approx(0.005)
    assert loss.seen.tolist() == [False, False, True, False, True]


def test_a_row_is_set_only_once():
    loss = make("role", CHOSEN, 3, 5)
    batch = [[0.0, 1.0, 2.0]], [[1, 0, -1]], [4]
    evaluate(loss, *batch, 1)
    with torch.no_grad():
        loss.estimator.fill_(0.25)
    evaluate(loss, *batch, 1)
    assert (loss.estimator == 0.25).all()
    copy = make("role", CHOSEN, 3, 5)
    copy.load_state_dict(loss.state_dict())
    evaluate(copy, *batch, 2)
    assert (copy.estimator == 0.25).all()


def test_nothing_is_set_outside_training():
    loss = make("role", CHOSEN, 3, 5).eval()
    start = loss.estimator.detach().clone()
    evaluate(loss, [[0.0, 1.0, 2.0]], [[1, 0, -1]], [4], 1)
    assert loss.estimator.equal(start)
    assert not loss.seen.any()


def test_the_estimator_trains_at_ten_times_the_rate():
    loss = make("role", CHOSEN, 3, 5)
    (group,) = loss.parameter_groups(1e-3)
    assert group["params"] == [loss.estimator]
    assert group["lr"] == pytest.approx(1e-2)
    (group,) = make("role", {**CHOSEN, "estimator_lr_multiplier": 3}, 3, 5).parameter_groups(1e-3)
    assert group["lr"] == pytest.approx(3e-3)


def test_weight_decay_of_the_network_leaves_the_estimates_alone():
    loss = make("role", CHOSEN, 3, 5)
    before = loss.estimator.detach().clone()
    network = {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.1}
    optimiser = torch.optim.SGD([network, *loss.parameter_groups(0.1)], weight_decay=0.1)
    for parameter in (*network["params"], loss.estimator):
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert network["params"][0].item() == pytest.approx(1 - 0.1 * 0.1)
    assert torch.equal(loss.estimator, before)


def test_the_estimator_is_dense():
    """Adam's moments go on moving rows that are not in the batch."""
    torch.manual_seed(1)
    loss = make("role", CHOSEN, 3, 5)
    optimiser = torch.optim.Adam(loss.parameter_groups(1e-3))
    observed, logits = torch.tensor([[1, 0, 0]]), torch.randn(1, 3)

    def step(row):
        optimiser.zero_grad(set_to_none=False)
        loss(logits, observed, index=torch.tensor([row]), epoch=1).backward()
        assert not loss.estimator.grad.is_sparse
        optimiser.step()

    step(0)
    before = loss.estimator.detach().clone()
    step(1)
    moved = (loss.estimator.detach() - before).abs().sum(dim=1)
    assert moved[0] > 1e-3
    assert moved[2] == 0


def test_by_hand():
    # p = q = 0.5: 0.5 (2 log 2 / 2) + 0.5 * 2 log 2 + (1 - 1.5)^2 / 4
    loss = make("role", CHOSEN, 2, 1)
    loss.seen.fill_(True)
    with torch.no_grad():
        loss.estimator.zero_()
    value, gradient = evaluate(loss, [[0.0, 0.0]], [[1, 0]], [0], 1)
    assert value.item() == pytest.approx(0.5 * math.log(2) + math.log(2) + 0.0625, rel=1e-12)
    # Positive term -0.5 * 0.5 / 2; cross entropy 0; regulariser 0.5 * 2 * (-0.5) * 0.25 / 4.
    np.testing.assert_allclose(gradient, [[-0.125 - 0.03125, -0.03125]], rtol=1e-12)


def test_sparse_gradients_are_the_rows_of_dense_ones():
    gradients = []
    for sparse in (False, True):
        torch.manual_seed(0)
        loss = make("role", CHOSEN, 3, 5)
        loss.sparse_gradients = sparse
        evaluate(loss, [[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]], [[1, 0, 0], [0, 1, 0]], [4, 2], 1)
        gradients.append(loss.estimator.grad)
    dense, rows = gradients
    assert rows.is_sparse
    assert sorted(rows._indices().flatten().tolist()) == [2, 4]
    assert torch.equal(rows.to_dense(), dense)
