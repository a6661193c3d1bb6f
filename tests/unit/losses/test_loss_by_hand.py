"""Small cases computed by hand, and identities between losses."""

import math

import numpy as np
import pytest
import torch
from loss_cases import GR, HYPERPARAMETERS, NAMES, TOTAL_EPOCHS, case, evaluate, make, random_batch

LOG2, LOG3, LOG4 = math.log(2), math.log(3), math.log(4)
INF = float("inf")

# One image, three classes, p = 0.5 (z = 0), 0.75 (z = log 3), 0.25 (z = -log 3);
# -log p = log 2, log 4 - log 3, log 4; -log(1 - p) = log 2, log 4, log 4 - log 3.
LOGITS = [[0.0, LOG3, -LOG3]]
POSITIVE_FIRST = [[1, 0, 0]]
WITH_NEGATIVE = [[1, -1, 0]]
ENTROPY = (3 / 4) * (LOG4 - LOG3) + (1 / 4) * LOG4  # of 0.75 and of 0.25
PLAIN_GR = {"alpha": [0.5, INF, 0.5, INF]}  # v = 1

BY_HAND = [
    ("bce", {}, 1, POSITIVE_FIRST, LOG2 + LOG4 + (LOG4 - LOG3)),
    ("bce_ls", {}, 1, [[-1, 1, -1]], LOG2 + (0.9 * (LOG4 - LOG3) + 0.1 * LOG4) * 2),
    ("iun", {}, 1, WITH_NEGATIVE, LOG2 + LOG4),
    ("iu", {}, 1, WITH_NEGATIVE, LOG2 + LOG4),
    ("iu", {}, 1, POSITIVE_FIRST, LOG2),
    ("an", {}, 1, WITH_NEGATIVE, LOG2 + LOG4 + (LOG4 - LOG3)),
    (
        "an_ls",
        {},
        1,
        POSITIVE_FIRST,
        LOG2 + (0.9 * LOG4 + 0.1 * (LOG4 - LOG3)) + (0.9 * (LOG4 - LOG3) + 0.1 * LOG4),
    ),
    ("n_ls", {"smoothing": 0.5}, 1, [[0, 1, 0]], LOG2 + (LOG4 - LOG3) + (2 * LOG4 - LOG3) / 2),
    ("wan", {}, 1, POSITIVE_FIRST, LOG2 + (LOG4 + LOG4 - LOG3) / 2),
    ("dw", {"weight": 0.1}, 1, POSITIVE_FIRST, LOG2 + 0.1 * (LOG4 + LOG4 - LOG3)),
    (
        "gpr",
        {
            **GR,
            **PLAIN_GR,
            "beta": [0, 0, 0, 0],
            "q2": 1,
            "regularisation": 0.5,
            "expected_positives": 2,
        },
        1,
        POSITIVE_FIRST,
        LOG2 + 1 + 3 * 0.5 * 0.25 / 9,
    ),
    # Three times the regulariser, because it stands outside the mean: (1.5 - 2)^2 / 9.
    ("epr", {"expected_positives": 2}, 1, POSITIVE_FIRST, LOG2 + 3 * 0.25 / 9),
    ("epr_gr", {}, 1, POSITIVE_FIRST, LOG2),
    ("entmin", {"alpha": 0.2}, 1, POSITIVE_FIRST, LOG2 + 0.4 * ENTROPY),
    ("em", {"alpha": 0.2}, 1, POSITIVE_FIRST, LOG2 - 0.4 * ENTROPY),
    ("em", {"alpha": 0.2}, 1, WITH_NEGATIVE, LOG2 + LOG4 - 0.2 * ENTROPY),
    ("wan", {}, 1, WITH_NEGATIVE, LOG2 + LOG4 + (LOG4 - LOG3) / 2),
    ("dw", {"weight": 0.1}, 1, WITH_NEGATIVE, LOG2 + LOG4 + 0.1 * (LOG4 - LOG3)),
    ("epr_gr", {}, 1, WITH_NEGATIVE, LOG2 + LOG4),
    ("hill_gr", {}, 1, WITH_NEGATIVE, LOG2 + LOG4 + 1.25 / 16),
    ("focal", {}, 1, POSITIVE_FIRST, LOG2 / 4 + LOG4 * 9 / 16 + (LOG4 - LOG3) / 16),
    (
        "asl",
        {},
        1,
        [[1, 0, 1]],
        LOG2 + 0.7**4 * -math.log(0.3) + LOG4,
    ),
    ("asl", {"margin": 0.3}, 1, [[0, 1, 0]], 0.2**4 * -math.log(0.8) + LOG4 - LOG3),
    (
        "hill",
        {"margin": LOG3},
        1,
        [[0, 1, 0]],
        0.25 + LOG2 / 4 + 1.25 / 16,  # p_m of the second entry is 0.5
    ),
    ("hill_gr", {}, 1, POSITIVE_FIRST, LOG2 + 0.75 * 9 / 16 + 1.25 / 16),
    # Three times the sum over known entries, of which there are two, is their mean.
    ("bce_known", {}, 1, WITH_NEGATIVE, 1.5 * (LOG2 + LOG4)),
    ("bce_known", {}, 1, [[0, 0, 0]], 0),
    # Two of three are known: g = 5.45 - 4.45 * 2 / 3.
    ("partial_bce", {}, 1, WITH_NEGATIVE, (5.45 - 4.45 * 2 / 3) * (LOG2 + LOG4)),
    ("partial_bce", {}, 1, [[1, -1, -1]], LOG2 + LOG4 + (LOG4 - LOG3)),
    # g(0.1) = 5, and the mean over two known entries is 3 / 2 of their sum, divided by three.
    (
        "partial_bce_global",
        {"known_proportion": 0.1},
        1,
        WITH_NEGATIVE,
        (5.45 - 0.445) * 1.5 * (LOG2 + LOG4),
    ),
    ("partial_bce_global", {"known_proportion": 1}, 1, [[0, 0, 0]], 0),
    # Pairs of the first class with the others: (1 - 0.5 + 0.75) + (1 - 0.5 + 0.25).
    ("ranking", {}, 1, POSITIVE_FIRST, 2.0),
    ("ranking", {}, 1, WITH_NEGATIVE, LOG4 + 0.75),
    ("ranking", {}, 1, [[1, 1, 0]], 0.75 + 0.5),
    ("ranking", {}, 1, [[0, 0, 0]], 0),
    ("p_asl", {}, 1, WITH_NEGATIVE, LOG2 + 0.75 * LOG4 + (LOG4 - LOG3) / 16),
    (
        "p_asl",
        {"gamma_pos": 1, "alpha_neg": 3, "clip": 0.25},
        1,
        WITH_NEGATIVE,
        LOG2 / 2 + 3 * 0.5 * LOG2,  # p_m is 0.5 and 0
    ),
    ("p_asl", {"mode": "ignore"}, 1, WITH_NEGATIVE, LOG2 + 0.75 * LOG4),
    (
        "p_asl",
        {"mode": "ignore_normalize_classes"},
        1,
        WITH_NEGATIVE,
        (1 + 1 / 3) * (LOG2 + 0.75 * LOG4),
    ),
    (
        "p_asl",
        {"mode": "selective", "likelihood_topk": 1},
        1,
        POSITIVE_FIRST,
        LOG2 + (LOG4 - LOG3) / 16,
    ),
    # The prior leaves out the third class. The likeliest is the second; with two, both.
    (
        "p_asl",
        {"mode": "selective", "likelihood_topk": 0, "prior": [0.9, 0.01, 0.06]},
        1,
        POSITIVE_FIRST,
        LOG2 + 9 / 16 * LOG4,
    ),
    (
        "p_asl",
        {"mode": "selective", "likelihood_topk": 1, "prior": [0, 0.06, 0]},
        1,
        POSITIVE_FIRST,
        LOG2 + (LOG4 - LOG3) / 16,  # the second takes a place though its prior leaves it out
    ),
    (
        "p_asl",
        {"mode": "selective", "likelihood_topk": 2, "prior": [0, 0, 0]},
        1,
        POSITIVE_FIRST,
        LOG2,
    ),
    # With temperatures of 1, a = -z, n = log of the sum of exp(z) = log(3 + 1/3) in the image; the
    # first class has no negative in a batch of one.
    ("two_way", {"temperature_pos": 1}, 1, POSITIVE_FIRST, 3 * math.log(1 + 10 / 3)),
    (
        "two_way",
        {"temperature_pos": 1, "unobserved": "left_out"},
        1,
        WITH_NEGATIVE,
        3 * math.log(1 + 3),
    ),
    ("two_way", {"unobserved": "left_out"}, 1, POSITIVE_FIRST, 0),
    ("two_way", {}, 1, [[0, -1, 0]], 0),
    # In a batch of one t = 1 and m = p: log p to a weight p^gamma, and -log p of the positive.
    (
        "vpu",
        {"gamma": 1, "alpha": 1},
        1,
        POSITIVE_FIRST,
        3 * (-0.5 * LOG2 + LOG2 - 0.75 * (LOG4 - LOG3) - 0.25 * LOG4),
    ),
    ("vpu", {"gamma": 0, "alpha": 1}, 1, [[0, -1, 0]], -3 * (LOG2 + LOG4 - LOG3 + LOG4)),
    # Large losses by class: 0.69, 1.39, 0.29. One entry of three is 33.4 %, rounded up to 2.
    ("ll_r", {"delta_rel": 33.4}, 1, [[0, 0, 0]], LOG2 + LOG4 + (LOG4 - LOG3)),
    ("ll_r", {"delta_rel": 33.4}, 2, [[0, 0, 0]], LOG4 - LOG3),
    ("ll_r", {"delta_rel": 1}, 2, [[0, 0, 0]], LOG2 + (LOG4 - LOG3)),
    ("ll_r", {"delta_rel": 1}, 2, [[0, 1, 0]], (LOG4 - LOG3) + (LOG4 - LOG3)),
    ("ll_r", {"delta_rel": 1}, 2, [[0, -1, 0]], LOG4 + (LOG4 - LOG3)),
    ("ll_ct", {"delta_rel": 33.4}, 2, [[0, 0, 0]], LOG2 + (LOG4 - LOG3) + (LOG4 - LOG3)),
    ("ll_ct", {"delta_rel": 33.4}, 3, [[0, 0, 0]], LOG2 + (LOG4 - LOG3) + LOG4),
    ("ll_cp", {"delta_rel": 33.4}, 3, [[0, 0, 0]], LOG2 + (LOG4 - LOG3) + (LOG4 - LOG3)),
    # k = 0.5, v = 1, both losses MAE: every unobserved entry costs (1 - p + p) / 2.
    (
        "gr",
        {**GR, **PLAIN_GR, "beta": [0, 0, 0, 0], "q2": 1, "q3": 1},
        1,
        POSITIVE_FIRST,
        LOG2 + 0.5 + 0.5,
    ),
    # With w = log 3 / 0.25, b = -2 log 3, k = 0.5, 0.75, 0.25 at the three p.
    (
        "gr",
        {
            **GR,
            **PLAIN_GR,
            "beta": [4 * LOG3, 0, -2 * LOG3, 0],
            "q2": 0,
            "q3": 1,
        },
        1,
        POSITIVE_FIRST,
        LOG2 + (0.75 * (LOG4 - LOG3) + 0.25 * 0.75) + (0.25 * LOG4 + 0.75 * 0.25),
    ),
    # v at p = 0.75 and 0.25 with mu = 0.5, sigma = 0.25: exp(-1/2) both.
    (
        "gr",
        {
            "beta": [0, 0, 0, 0],
            "alpha": [0.5, 0.25, 0.5, 0.25],
            "q2": 1,
            "q3": 1,
        },
        1,
        POSITIVE_FIRST,
        LOG2 + math.exp(-0.5),
    ),
    # q2 = q3 = 0.5 at p = 0.25 and k = 0.5: ((1 - 0.5) / 0.5 + (1 - sqrt(0.75)) / 0.5) / 2.
    (
        "gr",
        {**GR, **PLAIN_GR, "beta": [0, 0, 0, 0], "q2": 0.5, "q3": 0.5},
        1,
        [[1, 1, 0]],
        LOG2 + (LOG4 - LOG3) + 0.5 + (1 - math.sqrt(0.75)),
    ),
]


@pytest.mark.parametrize(("name", "chosen", "epoch", "observed", "total"), BY_HAND)
def test_by_hand(name, chosen, epoch, observed, total):
    loss = make(name, chosen, 3, 1)
    value, _ = evaluate(loss, LOGITS, observed, [0], epoch)
    assert value.item() == pytest.approx(total / 3, rel=1e-12)


def test_gradient_of_gr_by_hand():
    # dL/dz of an unobserved entry is v * (-k p^q2 (1 - p) + (1 - k) p (1 - p)^q3).
    chosen = {**GR, "alpha": [0.5, INF, 0.5, INF], "q2": 0.5, "q3": 2, "beta": [0, 0, 0, 0]}
    _, gradient = evaluate(make("gr", chosen, 1, 1), [[-LOG3]], [[0]], [0], 1)
    assert gradient.item() == pytest.approx(-0.5 * 0.5 * 0.75 + 0.5 * 0.25 * 0.75**2, rel=1e-12)


def both(first, second, epoch=3, rows=6, classes=5, labels="mixed"):
    logits, observed, index = random_batch(21, rows, classes, labels, 8)
    results = []
    for name, chosen in [first, second]:
        loss = make(name, chosen, classes, 8).double()
        results.append(evaluate(loss, logits, observed, index, epoch))
    return results


IDENTITIES = [
    # k = sigmoid(-1000) = 0, v = 1
    (("gr", {**GR, **PLAIN_GR, "beta": [0, 0, -1000, -1000], "q3": 0}), ("an", {})),
    (("gr", {**GR, **PLAIN_GR, "beta": [0, 0, -1000, -1000], "q3": 1e-9}), ("an", {})),
    (("gr_rational_k", {**GR, "beta": [0, 0, -1, -1]}), ("gr", {**GR, "beta": [0, 0, -1e3, -1e3]})),
    (("gr_rational_k", {**GR, "beta": [0, 0, 1, 1]}), ("gr", {**GR, "beta": [0, 0, 1e3, 1e3]})),
    (("gr_learned_k", GR), ("gr", {**GR, "beta": [0, 0, -2, -2]})),
    (("gr_running_v", {**GR, "rate": 0}), ("gr", {**GR, "alpha": [0.5, 2, 0.5, 2]})),
    (("focal", {"gamma": 0}), ("an", {})),
    (("focal", {"gamma": 0, "detach_weight": False}), ("bce", {})),
    (("asl", {"gamma_neg": 0, "gamma_pos": 0, "margin": 0}), ("bce", {})),
    (("asl", {"gamma_neg": 2, "gamma_pos": 2, "margin": 0}), ("focal", {})),
    (("hill", {"gamma": 0, "margin": 0}), ("hill_gr", {})),
    (("em", {"alpha": 0}), ("epr_gr", {})),
    (("entmin", {"alpha": 0}), ("epr_gr", {})),
    (("em_apl", {"alpha": 0.3, "beta": 9, "warmup_epochs": 2}), ("em", {"alpha": 0.3})),
    (("dw", {"weight": 1}), ("an", {})),
    (("dw", {"weight": 0}), ("epr_gr", {})),
    (("dw", {"weight": 0.25}), ("wan", {})),
    (("an_ls", {"smoothing": 0}), ("an", {})),
    (("n_ls", {"smoothing": 0}), ("an", {})),
    (("bce_ls", {"smoothing": 0}), ("bce", {})),
    (("bce_ls", {}), ("an_ls", {})),
    (("iu", {}), ("iun", {})),
    (("splc", {"margin": 0, "change_epoch": 9}), ("focal", {"detach_weight": False})),
    (("splc", {"margin": 0, "tau": 1}), ("focal", {"detach_weight": False})),
    (("ll_r", {"delta_rel": 0}), ("an", {})),
    (("ll_ct", {"delta_rel": 0}), ("an", {})),
    (("ll_cp", {"delta_rel": 0}), ("an", {})),
    (("gpr", {**GR, "regularisation": 0, "expected_positives": 3}), ("gr", GR)),
    (("partial_bce", {"alpha": 0, "beta": 1}), ("iu", {})),
    (("partial_bce", {"alpha": 1, "beta": 0, "gamma": 0}), ("iu", {})),
    (("p_asl", {"gamma_neg": 0, "gamma_unannotated": 0}), ("bce", {})),
    (("p_asl", {"gamma_neg": 2, "gamma_pos": 2}), ("focal", {})),
    (("p_asl", {"gamma_neg": 4, "gamma_unannotated": 4, "clip": 0.05}), ("asl", {})),
    (("p_asl", {"mode": "ignore", "gamma_neg": 0}), ("iu", {})),
    (("p_asl", {"alpha_unannotated": 0, "gamma_neg": 0}), ("iu", {})),
    (("p_asl", {"mode": "selective", "likelihood_topk": 0}), ("p_asl", {})),
    (("p_asl", {"mode": "selective", "likelihood_topk": 99}), ("p_asl", {"mode": "ignore"})),
    (
        ("p_asl", {"mode": "selective", "prior": [0.2] * 5, "prior_threshold": 0.1}),
        ("p_asl", {"mode": "ignore"}),
    ),
]


def test_asymmetric_loss_with_the_largest_margin_ignores_what_is_not_observed():
    (value, gradient), (other, other_gradient) = both(
        ("asl", {"gamma_neg": 4, "margin": 1}), ("epr_gr", {}), labels="single"
    )
    torch.testing.assert_close(value, other, rtol=1e-7, atol=0)
    torch.testing.assert_close(gradient, other_gradient, rtol=1e-7, atol=1e-12)


# Whose papers say what a negative costs, smooth known labels, regularise the whole batch, average
# over known entries, compare entries with one another, or know no negatives.
OTHERWISE = {
    *("focal", "asl", "p_asl", "splc", "an_ls", "bce_ls", "role", "epr", "gpr"),
    *("bce_known", "partial_bce", "partial_bce_global", "two_way", "vpu"),
}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHERWISE])
def test_observed_negative_costs_the_log_loss(name):
    """Nothing about it is to be guessed: dL/dz is p / (B C), whatever the loss is."""
    for chosen in HYPERPARAMETERS[name]:
        logits, observed, index = random_batch(5, 6, 5, "mixed", 8)
        _, gradient = evaluate(make(name, chosen, 5, 8).double(), logits, observed, index, 3)
        negative = np.asarray(observed) == -1
        p = 1 / (1 + np.exp(-np.asarray(logits)))
        assert negative.any()
        with case(chosen):
            np.testing.assert_allclose(gradient[negative], p[negative] / 30, rtol=1e-9)


@pytest.mark.parametrize(("first", "second"), IDENTITIES)
def test_identity(first, second):
    (value, gradient), (other_value, other_gradient) = both(first, second)
    torch.testing.assert_close(value, other_value, rtol=1e-7, atol=0)
    torch.testing.assert_close(gradient, other_gradient, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", ["ll_r", "ll_ct", "ll_cp"])
def test_first_epoch_of_large_loss_is_an(name):
    (value, gradient), (other_value, other_gradient) = both(
        (name, {"delta_rel": 50}), ("an", {}), epoch=1
    )
    assert value == other_value
    assert gradient.equal(other_gradient)


def test_large_loss_of_everything_unobserved():
    (rejected, _), (positives_alone, _) = both(
        ("ll_r", {"delta_rel": 1000}), ("epr_gr", {}), labels="single"
    )
    torch.testing.assert_close(rejected, positives_alone)
    logits, observed, index = random_batch(4, 6, 5, "single", 8)
    full, _ = evaluate(make("bce", {}, 5, 8), logits, observed * 0 + 1, index, 1)
    for name in ["ll_ct", "ll_cp"]:
        value, _ = evaluate(make(name, {"delta_rel": 1000}, 5, 8), logits, observed, index, 2)
        torch.testing.assert_close(value, full)


def test_iu_of_full_labels_is_bce():
    logits, observed, index = random_batch(4, 6, 5, "single", 8)
    truth = observed * 2 - 1
    first, _ = evaluate(make("iu", {}, 5, 8), logits, truth, index, 1)
    second, _ = evaluate(make("bce", {}, 5, 8), logits, truth, index, 1)
    assert first == second


def test_em_and_entmin_are_opposites():
    (maximised, _), (minimised, _) = both(("em", {"alpha": 0.3}), ("entmin", {"alpha": 0.3}))
    logits, observed, index = random_batch(21, 6, 5, "mixed", 8)
    neither, _ = evaluate(make("epr_gr", {}, 5, 8), logits, observed, index, 3)
    torch.testing.assert_close((maximised + minimised) / 2, neither)


def test_gr_with_certain_positives_is_bce_of_all_positives():
    chosen = {**GR, **PLAIN_GR, "beta": [0, 0, 1000, 1000], "q2": 0}
    logits, observed, index = random_batch(4, 6, 5, "single", 8)
    first, _ = evaluate(make("gr", chosen, 5, 8), logits, observed, index, TOTAL_EPOCHS)
    second, _ = evaluate(make("bce", {}, 5, 8), logits, observed * 0 + 1, index, 1)
    torch.testing.assert_close(first, second)
