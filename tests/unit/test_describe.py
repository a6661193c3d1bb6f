import numpy as np
import pytest
import torch
from spml import losses
from spml.describe import entry_gradient, gradient_rows, method_gradient_rows

GR = {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1}


def curve(name: str, **hyperparameters):
    return {
        "name": name,
        "title": name.upper(),
        "loss": name,
        "hyperparameters": hyperparameters,
        "total_epochs": 8,
    }


def test_assume_negative_pushes_down_by_the_probability_itself():
    rows = gradient_rows([curve("an")], points=9)
    assert [row["epoch"] for row in rows] == [1] * 9
    np.testing.assert_allclose([row["probability"] for row in rows], np.arange(1, 10) / 10)
    np.testing.assert_allclose([row["gradient"] for row in rows], np.arange(1, 10) / 10)


@pytest.mark.parametrize("epoch", [1, 4, 8])
def test_gr_equals_its_derivative_by_hand(epoch):
    """dL/dz = v * (-k p^q2 (1-p) + (1-k) p (1-p)^q3), with k and v constants to the gradient."""
    p = np.linspace(0.01, 0.99, 50)
    w, b = 2 * (epoch - 1) / 8, -2
    mu, sigma = 0.5 + 0.3 * epoch / 8, 2 - 1.5 * epoch / 8
    k = 1 / (1 + np.exp(-(w * p + b)))
    v = np.exp(-((p - mu) ** 2) / (2 * sigma**2))
    expected = v * (-k * p**0.01 * (1 - p) + (1 - k) * p * (1 - p))
    loss = losses.build("gr", num_classes=1, num_examples=50, total_epochs=8, **GR)
    gradient = entry_gradient(loss, torch.from_numpy(p), epoch)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_only_scheduled_losses_have_several_epochs():
    rows = gradient_rows([curve("em", alpha=0.1), curve("gr", **GR)], points=5)
    epochs = {name: [] for name in ("em", "gr")}
    for row in rows:
        epochs[row["method"]].append(row["epoch"])
    assert set(epochs["em"]) == {1}
    assert set(epochs["gr"]) == {1, 4, 8}


def test_every_loss_is_in_the_mapping_and_gr_reads_as_itself():
    mapping = {row["method"]: row for row in losses.mapping_table()}
    assert sorted(mapping) == losses.names()
    assert "sigma" in mapping["gr"]["k"]
    assert not any(mapping["role"][part] for part in ("k", "v", "L1", "L2", "L3"))


# Losses by what an unobserved entry costs: from their definitions, by hand.
ALONE = {
    "an": {}, "bce": {}, "iun": {}, "dw": {"weight": 0.5}, "an_ls": {}, "entmin": {"alpha": 0.1},
    "focal": {}, "asl": {}, "hill": {}, "splc": {}, "em": {"alpha": 0.1}, "gr": GR,
}  # fmt: skip
NOT_ALONE = {
    "wan": {},  # the number of classes
    "epr": {"expected_positives": 1.5},  # the mean of the batch
    "role": {"expected_positives": 1.5},  # an estimate of the entry's label
    "ll_r": {"delta_rel": 5}, "ll_ct": {"delta_rel": 5}, "ll_cp": {"delta_rel": 5},  # others' losses
    "ranking": {},  # the positives of the image
    "vpu": {"gamma": 0.1, "alpha": 1.0},  # the whole batch
}  # fmt: skip


def test_methods_whose_gradient_one_curve_tells():
    rows = method_gradient_rows(
        [curve(name, **values) for name, values in {**ALONE, **NOT_ALONE}.items()]
    )
    assert {row["method"] for row in rows} == set(ALONE)
    halves = {
        row["method"]: row["gradient"] for row in rows if abs(row["probability"] - 0.5) < 1e-9
    }
    assert halves["an"] == pytest.approx(0.5)
    assert halves["dw"] == pytest.approx(0.25)
    assert halves["iun"] == 0
    assert halves["focal"] == pytest.approx(0.125)  # p^2 p, the weight p^2 is a constant to it


def test_loss_that_cannot_be_built_with_few_classes_has_no_curve():
    prior = {"mode": "selective", "prior": [0.1] * 20, "prior_threshold": 0.5}
    assert (
        method_gradient_rows(
            [curve("p_asl", gamma_pos=0, gamma_neg=1, gamma_unannotated=4, **prior)]
        )
        == []
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda z: z * torch.ones(20),  # a weight for each of the classes that it was made for
        lambda z: z * torch.where(z < -4, torch.nan, 1.0),  # fails where p is small
    ],
)
def test_loss_that_fails_or_is_not_finite_costs_no_other_its_curve(monkeypatch, change):
    """Two losses of a reader's own, whose runs may be as good as any."""
    build = losses.build

    def changed(name, **arguments):
        loss = build("an", **arguments)
        if name == "mine":
            loss.register_forward_pre_hook(lambda module, given: (change(given[0]), *given[1:]))
        return loss

    monkeypatch.setattr(losses, "build", changed)
    rows = method_gradient_rows([curve("mine"), curve("an")])
    assert {row["method"] for row in rows} == {"an"}
