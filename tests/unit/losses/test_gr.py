"""GR: its schedules value by value, and its variants of k and v."""

import math

import pytest
import torch
from loss_cases import GR, evaluate, make, random_batch
from spml.losses import build


def values(loss, key):
    return [loss.schedule(epoch)[key] for epoch in range(1, loss.total_epochs + 1)]


def test_schedules_of_eight_epochs():
    loss = build("gr", num_classes=20, num_examples=3, total_epochs=8, **GR)
    assert values(loss, "w") == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert values(loss, "b") == [-2.0] * 8
    assert values(loss, "mu") == pytest.approx(
        [0.5375, 0.575, 0.6125, 0.65, 0.6875, 0.725, 0.7625, 0.8], rel=1e-15
    )
    assert values(loss, "sigma") == [1.8125, 1.625, 1.4375, 1.25, 1.0625, 0.875, 0.6875, 0.5]
    assert loss.frozen_epochs == 0


def test_schedules_with_initial_epochs():
    chosen = {"beta": [0, 6, -2, -8], "alpha": [0, 7, 6, 1], "q2": 0.01, "q3": 1}
    loss = build("gr", num_classes=2, num_examples=3, total_epochs=8, **chosen, linear_init=2)
    assert values(loss, "w") == [0, 0, 0, 1, 2, 3, 4, 5]
    assert values(loss, "b") == [-2, -2, -2, -3, -4, -5, -6, -7]
    assert values(loss, "mu") == [0, 0, 1, 2, 3, 4, 5, 6]
    assert values(loss, "sigma") == [7, 7, 6, 5, 4, 3, 2, 1]
    assert loss.frozen_epochs == 2


def test_the_schedule_is_what_the_loss_uses():
    # One unobserved entry at p = 0.5 with MAE on both sides costs v / 2 whatever k is.
    loss = make("gr", {**GR, "q2": 1}, 1, 1)
    for epoch in range(1, 9):
        mu, sigma = loss.schedule(epoch)["mu"], loss.schedule(epoch)["sigma"]
        value, _ = evaluate(loss, [[0.0]], [[0]], [0], epoch)
        assert value.item() == pytest.approx(
            0.5 * math.exp(-((0.5 - mu) ** 2) / (2 * sigma**2)), rel=1e-12
        )
    # And without v, with L3 = 0 at p = 0 nearly: L2 = 1 and the loss is k at p = 0.5 ...
    flat = {**GR, "alpha": [0, float("inf"), 0, float("inf")], "q2": 0, "q3": 1}
    loss = make("gr", flat, 1, 1)
    for epoch in range(1, 9):
        w, b = loss.schedule(epoch)["w"], loss.schedule(epoch)["b"]
        k = 1 / (1 + math.exp(-(w * 0.5 + b)))
        value, _ = evaluate(loss, [[0.0]], [[0]], [0], epoch)
        assert value.item() == pytest.approx(k * math.log(2) + (1 - k) * 0.5, rel=1e-12)


def test_infinite_sigma_switches_v_off():
    flat = make("gr", {**GR, "alpha": [0.5, float("inf"), 0.8, float("inf")]}, 4, 5)
    wide = make("gr", {**GR, "alpha": [0.5, 1e9, 0.8, 1e9]}, 4, 5)
    batch = random_batch(0, 3, 4, "single", 5)
    torch.testing.assert_close(evaluate(flat, *batch, 3), evaluate(wide, *batch, 3))


def test_running_mean_and_deviation_move_before_they_are_used():
    loss = make("gr_running_v", {**GR, "rate": 0.25}, 2, 5)
    logits = [[0.0, math.log(3)]]
    evaluate(loss, logits, [[0, 0]], [0], 1)
    deviation = math.sqrt(2) * 0.125  # of 0.5 and 0.75, unbiased
    assert loss.mu.item() == pytest.approx(0.75 * 0.5 + 0.25 * 0.625, rel=1e-6)
    assert loss.sigma.item() == pytest.approx(0.75 * 2 + 0.25 * deviation, rel=1e-6)
    before = loss.mu.clone()
    loss.eval()
    evaluate(loss, logits, [[0, 0]], [0], 1)
    assert loss.mu == before
    assert set(loss.schedule(1)) == {"w", "b"}


def test_learned_k_descends_as_the_optimiser_of_the_released_code_does():
    """Against torch.optim.SGD on the loss differentiated through k."""
    chosen = {**GR, "beta": [0, 9, -2, 9], "q3": 1.5}
    loss = make("gr_learned_k", chosen, 3, 20).double()
    parameters = torch.tensor([[0.0] * 3, [-2.0] * 3], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([parameters], lr=0.1, momentum=0.9, weight_decay=0.001)
    for step in range(6):
        logits, observed, index = random_batch(step, 5, 3, "mixed", 20)
        z, s = torch.tensor(logits), torch.tensor(observed)
        epoch = step // 2 + 1
        mu, sigma = loss.alpha(epoch)
        p = torch.sigmoid(z)
        k = torch.sigmoid(parameters[0] * p + parameters[1])
        v = torch.exp(-((p - mu) ** 2) / (2 * sigma**2))
        l2, l3 = (1 - p**0.01) / 0.01, (1 - (1 - p) ** 1.5) / 1.5
        unobserved = v * (k * l2 + (1 - k) * l3)
        negative = torch.where(s == -1, -torch.log(1 - p), unobserved)
        expected = torch.where(s == 1, -torch.log(p), negative).mean()
        value, _ = evaluate(loss, logits, observed, index, epoch)
        torch.testing.assert_close(value, expected.detach())
        optimiser.zero_grad()
        expected.backward()
        optimiser.step()
        torch.testing.assert_close(loss.slope_and_offset, parameters.detach())
    assert not torch.equal(parameters[1], torch.full((3,), -2.0, dtype=torch.float64))


def test_learned_k_rests_outside_training():
    loss = make("gr_learned_k", GR, 3, 20).eval()
    evaluate(loss, *random_batch(1, 5, 3, "mixed", 20), 1)
    assert loss.slope_and_offset[1].tolist() == [-2.0] * 3
    assert loss.parameter_groups(1e-3) == []
    assert set(loss.schedule(1)) == {"mu", "sigma"}


def test_rational_k_stays_a_probability():
    loss = make("gr_rational_k", {**GR, "beta": [0.9, 0.9, -0.5, 0.5]}, 3, 20)
    p = torch.linspace(0, 1, 101)
    for epoch in (1, 8):
        k = loss.estimate(p.clone(), epoch)
        assert k.min() >= 0
        assert k.max() <= 1
