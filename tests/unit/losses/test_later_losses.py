"""What losses of later papers do beyond a formula: choices over a batch, priors, batches without a case."""

import math

import numpy as np
import pytest
import torch
from loss_cases import GR, HYPERPARAMETERS, evaluate, make, random_batch

# --- P-ASL ----------------------------------------------------------------------------------------

SELECTIVE = {"mode": "selective", "gamma_unannotated": 0, "likelihood_topk": 1}


def call(loss, logits, observed, epoch=1):
    return evaluate(loss, logits, observed, np.arange(len(logits)), epoch)


def test_selective_chooses_over_the_whole_batch_and_no_annotated_entry():
    """Two images, one entry each on average: both come from the first."""
    loss = make("p_asl", SELECTIVE, 3, 2)
    call(loss, [[3.0, 2.0, 9.0], [1.0, 0.0, -1.0]], [[0, 0, 1], [0, -1, 0]])
    assert loss.modified.tolist() == [[True, True, False], [False, False, False]]
    call(loss, [[3.0, 2.0, 9.0]], [[0, 0, 1]])  # of a batch of one, one
    assert loss.modified.tolist() == [[True, False, False]]


def test_prior_leaves_out_a_class_that_takes_places_too():
    loss = make("p_asl", {**SELECTIVE, "prior": [0.3, 0.05, 0.0], "prior_threshold": 0.05}, 3, 2)
    call(loss, [[3.0, 2.0, 9.0], [1.0, 5.0, -1.0]], [[0, 0, 1], [0, -1, 0]])
    assert loss.modified.tolist() == [[True, True, False], [True, False, False]]


def test_what_is_chosen_has_no_gradient_and_counts_in_the_denominator():
    value, gradient = call(make("p_asl", SELECTIVE, 3, 2), [[3.0, 0.0, -50.0]], [[0, 0, 1]])
    assert gradient[0, 0] == 0
    assert value.item() == pytest.approx((math.log(2) + 50) / 3, rel=1e-12)


def test_selective_with_fewer_entries_than_places_leaves_all_out():
    loss = make("p_asl", {**SELECTIVE, "likelihood_topk": 5}, 3, 2)
    value, _ = call(loss, [[3.0, 0.0, 0.0]], [[0, 0, 1]])
    assert loss.modified.tolist() == [[True, True, False]]
    assert value.item() == pytest.approx(math.log(2) / 3, rel=1e-12)


@pytest.mark.parametrize("mode", ["ignore", "ignore_normalize_classes"])
def test_prior_is_the_mean_of_the_predictions_over_all_steps(mode):
    loss = make("p_asl", {"mode": mode}, 4, 9)
    means = []
    for step, rows in enumerate([3, 5, 1]):
        logits, observed, index = random_batch(step, rows, 4, "mixed", 9)
        evaluate(loss, logits, observed, index, step + 1)
        means.append((1 / (1 + np.exp(-logits))).mean(axis=0))
    expected = np.mean(means, axis=0)  # of steps, of which the last is as good as the others
    assert loss.findings()["prior"] == pytest.approx(expected, rel=1e-6)
    other = make("p_asl", {"mode": mode}, 4, 9)
    other.load_state_dict(loss.state_dict())
    evaluate(other.eval(), *random_batch(7, 3, 4, "mixed", 9), 1)
    assert other.findings() == loss.findings()
    selective = make("p_asl", {**SELECTIVE, **loss.findings()}, 4, 9)
    assert selective.left_out.tolist() == (expected > 0.05).tolist()


def test_other_modes_and_no_step_find_no_prior():
    for chosen in ({}, SELECTIVE):
        loss = make("p_asl", chosen, 4, 9)
        evaluate(loss, *random_batch(0, 3, 4, "mixed", 9), 1)
        assert loss.findings() == {}
    assert make("p_asl", {"mode": "ignore"}, 4, 9).findings() == {}
    assert make("an", {}, 4, 9).findings() == {}


@pytest.mark.parametrize(
    "prior", [[0.5] * 3, [0.5] * 5, [0.5, 0.5, 0.5, 1.1], [None] * 4, "0.5", 0.5]
)
def test_prior_that_cannot_be_one_is_refused(prior):
    with pytest.raises(ValueError, match=r"^prior: "):
        make("p_asl", {**SELECTIVE, "prior": prior}, 4, 9)


# --- two-way --------------------------------------------------------------------------------------


def test_two_way_of_a_batch_without_positives_is_nothing():
    for chosen in HYPERPARAMETERS["two_way"]:
        value, gradient = call(
            make("two_way", chosen, 3, 2), [[9.0, 0.0, -4.0]] * 2, [[0, -1, 0]] * 2
        )
        assert value == 0
        assert not gradient.any()


def test_two_way_has_nothing_to_compare_single_positives_with_when_others_are_left_out():
    logits, observed, index = random_batch(3, 5, 4, "single", 9)
    value, gradient = evaluate(
        make("two_way", {"unobserved": "left_out"}, 4, 9), logits, observed, index, 1
    )
    assert value == 0
    assert not gradient.any()


def test_two_way_reads_a_known_negative_like_an_unobserved_one_by_default():
    logits, observed, index = random_batch(3, 5, 4, "mixed", 9)
    first = evaluate(make("two_way", {}, 4, 9), logits, observed, index, 1)
    second = evaluate(make("two_way", {}, 4, 9), logits, np.maximum(observed, 0), index, 1)
    full = evaluate(
        make("two_way", {"unobserved": "left_out"}, 4, 9), logits, 2 * (observed == 1) - 1, index, 1
    )
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, full)


def test_two_way_is_the_released_one_with_masked_entries_at_minus_100():
    """While logits are moderate, and each class and image has a negative."""
    logits, observed, index = random_batch(5, 6, 5, "single", 9)
    z = torch.tensor(logits).clamp(-3, 3)
    s = torch.tensor(observed)
    far = -100.0
    below = -z / 4 + far * (s != 1)
    above = z + far * (s != 0)
    total = torch.zeros((), dtype=torch.float64)
    for dim in (0, 1):
        counted = (s == 1).any(dim)
        cost = torch.log1p(torch.exp(4 * torch.logsumexp(below, dim) + torch.logsumexp(above, dim)))
        total += cost[counted].mean()
    value, _ = evaluate(make("two_way", {}, 5, 9), z.numpy(), observed, index, 1)
    torch.testing.assert_close(value, total, rtol=1e-9, atol=0)


# --- VPU, ranking, reductions, GPR ----------------------------------------------------------------


def test_vpu_of_a_class_whose_logits_are_equal_has_a_temperature_of_one():
    loss = make("vpu", {"gamma": 0.5, "alpha": 2}, 3, 9)
    logits = torch.tensor([[1.0, 0.3, 5.0], [1.0, 0.2, -5.0]])
    deviations = [0, 0.05, 5]  # of the population
    assert loss.temperature(logits).tolist() == pytest.approx([1, 2 * deviations[1], 1])
    assert loss.temperature(logits[:1]).tolist() == [1, 1, 1]


def test_vpu_never_uses_negatives():
    logits, observed, index = random_batch(3, 5, 4, "mixed", 9)
    chosen = {"gamma": 0.55, "alpha": 1}
    first = evaluate(make("vpu", chosen, 4, 9), logits, observed, index, 1)
    second = evaluate(make("vpu", chosen, 4, 9), logits, np.maximum(observed, 0), index, 1)
    assert first[0] == second[0]
    assert first[1].equal(second[1])


def test_ranking_is_the_sum_of_hinges_that_never_reach_their_bound():
    logits, observed, index = random_batch(6, 5, 4, "single", 9)
    observed[0, :2] = 1  # two positives in one image
    p = 1 / (1 + np.exp(-logits))
    hinges = [
        max(0.0, 1 - p[image, i] + p[image, j])
        for image in range(5)
        for i in np.flatnonzero(observed[image] == 1)
        for j in np.flatnonzero(observed[image] == 0)
    ]
    value, _ = evaluate(make("ranking", {}, 4, 9), logits, observed, index, 1)
    assert value.item() == pytest.approx(sum(hinges) / 20, rel=1e-12)


def test_reductions_differ_by_the_share_of_known_entries():
    logits, observed, index = random_batch(6, 5, 4, "mixed", 9)
    over_all, _ = evaluate(make("iu", {}, 4, 9), logits, observed, index, 1)
    over_known, _ = evaluate(make("bce_known", {}, 4, 9), logits, observed, index, 1)
    torch.testing.assert_close(over_known * np.count_nonzero(observed) / 20, over_all)


def test_partial_bce_of_full_labels_is_bce():
    logits, observed, index = random_batch(6, 5, 4, "single", 9)
    full = 2 * observed - 1
    expected, _ = evaluate(make("bce", {}, 4, 9), logits, full, index, 1)
    for name, chosen in (("partial_bce", {}), ("partial_bce_global", {"known_proportion": 1})):
        value, _ = evaluate(make(name, chosen, 4, 9), logits, full, index, 1)
        torch.testing.assert_close(value, expected)


def test_partial_bce_weighs_a_tenth_of_the_labels_five_times():
    loss = make("partial_bce", {}, 10, 9)
    assert loss.weight(torch.tensor([[1.0], [10.0]])).flatten().tolist() == pytest.approx(
        [5.005, 1]
    )


def test_gpr_is_gr_with_a_regulariser_outside_the_mean():
    logits, observed, index = random_batch(6, 5, 4, "mixed", 9)
    chosen = {**GR, "regularisation": 0.3, "expected_positives": 1.5}
    ours, _ = evaluate(make("gpr", chosen, 4, 9), logits, observed, index, 2)
    plain, _ = evaluate(make("gr", GR, 4, 9), logits, observed, index, 2)
    p = 1 / (1 + np.exp(-logits))
    assert (ours - plain).item() == pytest.approx(0.3 * (p.sum() / 5 - 1.5) ** 2 / 16, rel=1e-9)
