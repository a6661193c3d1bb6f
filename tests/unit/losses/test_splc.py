"""SPLC: when it corrects, what it corrects, and where the margin goes."""

import math

import pytest
from loss_cases import evaluate, make


def focal(p, target):
    return (1 - p) ** 2 * -math.log(p) if target else p**2 * -math.log(1 - p)


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize(("epoch", "corrects"), [(1, False), (2, True), (3, True), (8, True)])
def test_first_epoch_that_corrects(epoch, corrects):
    loss = make("splc", {}, 2, 1)
    z = [1.0, 0.0]  # p = 0.73 and 0.5, the threshold is 0.6
    value, _ = evaluate(loss, [z], [[0, 0]], [0], epoch)
    assert loss.modified.tolist() == [[corrects, False]]
    # A corrected entry has no margin.
    expected = focal(sigmoid(1.0), corrects) + focal(0.5, False)
    assert value.item() == pytest.approx(expected / 2, rel=1e-12)


def test_the_threshold_is_strict():
    loss = make("splc", {"tau": 0.5}, 3, 1)
    evaluate(loss, [[0.0, 1e-6, -1e-6]], [[0, 0, 0]], [0], 2)
    assert loss.modified.tolist() == [[False, True, False]]


def test_observed_entries_are_not_corrected_and_positives_have_the_margin():
    loss = make("splc", {}, 3, 1)
    z = [3.0, 3.0, 3.0]
    value, _ = evaluate(loss, [z], [[1, -1, 0]], [0], 2)
    assert loss.modified.tolist() == [[False, False, True]]
    expected = focal(sigmoid(2.0), True) + focal(sigmoid(3.0), False) + focal(sigmoid(3.0), True)
    assert value.item() == pytest.approx(expected / 3, rel=1e-12)


def test_nothing_is_kept():
    loss = make("splc", {}, 2, 1)
    assert loss.state_dict() == {}
    evaluate(loss, [[3.0, 3.0]], [[0, 0]], [0], 2)
    evaluate(loss, [[-3.0, 3.0]], [[0, 0]], [0], 2)
    assert loss.modified.tolist() == [[False, True]]
