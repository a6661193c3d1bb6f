"""The shared functions of logits: exact in both tails, values and gradients."""

import math

import pytest
import torch
from spml.losses.base import entropy, focal_cost, negative_cost, positive_cost, power_loss

LOGITS = [
    sign * z for z in (0.01, 0.5, 3, 11, 19, 25, 33, 39, 41, 60, 200, 600) for sign in (1, -1)
]


def p(z):
    """sigmoid(z), as exact for a large z as for a small one; 1 - p is p(-z)."""
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def cost(z):
    """-log sigmoid(z)."""
    return max(-z, 0) + math.log1p(math.exp(-abs(z)))


def power(z, q):
    return -math.expm1(-q * cost(z)) / q


# function of a tensor, its value and its derivative with respect to z
FUNCTIONS = {
    "positive_cost": (positive_cost, cost, lambda z: -p(-z)),
    "negative_cost": (negative_cost, lambda z: cost(-z), p),
    "entropy": (
        entropy,
        lambda z: p(z) * cost(z) + p(-z) * cost(-z),
        lambda z: -p(z) * p(-z) * z,
    ),
    "power 0": (lambda z: power_loss(positive_cost(z), 0.0), cost, lambda z: -p(-z)),
    **{
        f"power {q}": (
            lambda z, q=q: power_loss(positive_cost(z), q),
            lambda z, q=q: power(z, q),
            lambda z, q=q: -math.exp(-q * cost(z)) * p(-z),
        )
        for q in (1e-9, 0.01, 0.5, 1.0, 1.5, 30.0)
    },
    **{
        f"focal {gamma}": (
            lambda z, gamma=gamma: focal_cost(z, gamma),
            lambda z, gamma=gamma: math.exp(-gamma * cost(-z)) * cost(z),
            lambda z, gamma=gamma: -math.exp(-gamma * cost(-z)) * (p(-z) + gamma * p(z) * cost(z)),
        )
        for gamma in (0.0, 0.5, 2.0)
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_tails(name):
    function, value, derivative = FUNCTIONS[name]
    z = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    result = function(z)
    result.sum().backward()
    for i, logit in enumerate(LOGITS):
        assert result[i].item() == pytest.approx(value(logit), rel=1e-12, abs=1e-300)
        assert z.grad[i].item() == pytest.approx(derivative(logit), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_finite_at_extremes_in_single_precision(name):
    z = torch.tensor([-1e30, -1e4, -105.0, 0.0, 105.0, 1e4, 1e30], requires_grad=True)
    result = FUNCTIONS[name][0](z)
    result.sum().backward()
    assert result.isfinite().all()
    assert z.grad.isfinite().all()
