"""EM + APL: how many pseudo-labels, which entries, and what they cost."""

import math

import pytest
import torch
from loss_cases import evaluate, make

CHOSEN = {"alpha": 0.2, "beta": 0.5, "warmup_epochs": 3}
EXAMPLES, CLASSES, EPOCHS = 40, 3, 8


def trained(observed, chosen=CHOSEN):
    """A loss that has seen every row once."""
    loss = make("em_apl", chosen, observed.shape[1], observed.shape[0], EPOCHS)
    index = torch.randperm(len(observed), generator=torch.Generator().manual_seed(3))
    loss(torch.zeros(observed.shape), observed[index], index=index, epoch=1)
    return loss


def predictions(seed, rows=EXAMPLES, classes=CLASSES):
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 2


def predict(logits):
    """The training split in batches of 7, in random order."""
    index = torch.randperm(len(logits), generator=torch.Generator().manual_seed(4))
    return lambda: [(logits[part], part) for part in index.split(7)]


@pytest.fixture
def observed():
    labels = torch.zeros(EXAMPLES, CLASSES, dtype=torch.int64)
    labels[torch.arange(EXAMPLES), torch.arange(EXAMPLES) % CLASSES] = 1
    labels[::5] = 0
    return labels


def test_counts_per_class_and_epoch(observed):
    loss = trained(observed)
    unobserved = (observed == 0).sum(dim=0)
    # 0.9 * U_c / (8 - 3), rounded down
    per_epoch = [int(9 * count // 50) for count in unobserved.tolist()]
    assert per_epoch == [5, 5, 5] or len(set(per_epoch)) > 1
    for epoch in range(1, EPOCHS + 1):
        loss.after_epoch(epoch, predict(predictions(epoch)))
        steps = max(epoch - 3 + 1, 0)
        expected = [
            min(steps * each, total)
            for each, total in zip(per_epoch, unobserved.tolist(), strict=True)
        ]
        assert (loss.pseudo_negative > 0).sum(dim=0).tolist() == expected


@pytest.mark.parametrize("fraction", ["0.9", "0.7", "0.29", "1.0"])
def test_counts_are_exact(fraction):
    """0.29 * 100 is below 29 in floating point."""
    hundredths = round(float(fraction) * 100)
    for examples in [10, 50, 100, 4574]:
        chosen = {**CHOSEN, "negative_fraction": float(fraction)}
        loss = trained(torch.zeros(examples, 2), chosen)
        assert loss.counts().tolist() == [examples * hundredths // 500] * 2


def test_the_lowest_open_entries_get_their_probability(observed):
    loss = trained(observed)
    first, second = predictions(1), predictions(2)
    loss.after_epoch(3, predict(first))
    labels = loss.pseudo_negative.clone()
    for c in range(CLASSES):
        open_rows = [row for row in range(EXAMPLES) if observed[row, c] != 1]
        lowest = sorted(open_rows, key=lambda row: first[row, c].item())[: loss.counts()[c]]
        assert sorted(labels[:, c].nonzero().flatten().tolist()) == sorted(lowest)
        for row in lowest:
            assert labels[row, c] == torch.sigmoid(first)[row, c]
    loss.after_epoch(4, predict(second))
    kept = labels > 0
    assert loss.pseudo_negative[kept].equal(labels[kept])
    new = (loss.pseudo_negative > 0) & ~kept
    assert new.sum(dim=0).equal(loss.counts())
    assert loss.pseudo_negative[new].equal(torch.sigmoid(second)[new])


def test_observed_positives_are_never_pseudo_labelled(observed):
    loss = trained(observed, {**CHOSEN, "negative_fraction": 1.0})
    logits = torch.where(observed == 1, -50.0, 50.0)  # they have the lowest p
    for epoch in range(3, EPOCHS + 1):
        loss.after_epoch(epoch, predict(logits))
    assert not (loss.pseudo_negative > 0)[observed == 1].any()
    assert (loss.pseudo_negative > 0).sum() > 0


def test_the_pass_is_not_made_before_the_warmup_ends(observed):
    def fail():
        raise AssertionError("predictions were asked for")

    loss = trained(observed)
    loss.after_epoch(1, fail)
    loss.after_epoch(2, fail)
    assert not loss.pseudo_negative.any()
    with pytest.raises(AssertionError):
        loss.after_epoch(3, fail)


def test_ties_go_to_the_lower_row():
    loss = trained(torch.zeros(40, 1))
    loss.after_epoch(3, predict(torch.zeros(40, 1)))
    assert loss.pseudo_negative[:, 0].nonzero().flatten().tolist() == list(range(7))


def test_a_probability_of_zero_is_a_pseudo_label_too():
    loss = trained(torch.zeros(40, 1))
    loss.after_epoch(3, predict(torch.full((40, 1), -1e4)))
    assert (loss.pseudo_negative > 0).sum() == 7
    assert loss.pseudo_negative.max() < 1e-30


def test_rows_that_were_not_seen_or_not_predicted_get_none(observed):
    loss = make("em_apl", CHOSEN, CLASSES, EXAMPLES, EPOCHS)
    seen = torch.arange(20)
    loss(torch.zeros(20, CLASSES), observed[:20], index=seen, epoch=1)
    logits = predictions(5)
    part = torch.arange(10, 30)
    loss.after_epoch(3, lambda: [(logits[part], part)])
    rows = (loss.pseudo_negative > 0).any(dim=1).nonzero().flatten()
    assert rows.min() >= 10
    assert rows.max() < 20


def test_cost_of_a_pseudo_label():
    loss = make("em_apl", CHOSEN, 3, 2, EPOCHS)
    loss.pseudo_negative[1] = torch.tensor([0.25, 0.25, 0.0])
    value, gradient = evaluate(loss, [[0.0, 0.0, 0.0]], [[1, 0, 0]], [1], 5)
    # Observed positive in spite of its pseudo-label, pseudo-label, entropy.
    log2 = math.log(2)
    assert value.item() == pytest.approx((log2 + 0.5 * log2 - 0.2 * log2) / 3, rel=1e-12)
    assert gradient[0].tolist() == pytest.approx([-0.5 / 3, 0.5 * (0.5 - 0.25) / 3, 0], abs=1e-12)


def test_state_survives_a_checkpoint(observed):
    loss = trained(observed)
    loss.after_epoch(3, predict(predictions(1)))
    copy = make("em_apl", CHOSEN, CLASSES, EXAMPLES, EPOCHS)
    copy.load_state_dict(loss.state_dict())
    for each in (loss, copy):
        each.after_epoch(4, predict(predictions(2)))
    assert loss.pseudo_negative.equal(copy.pseudo_negative)


def test_pseudo_labels_do_not_depend_on_the_order_of_batches(observed):
    loss, other = trained(observed), trained(observed)
    logits = predictions(1)
    loss.after_epoch(3, predict(logits))
    other.after_epoch(3, lambda: [(logits, torch.arange(EXAMPLES))])
    assert loss.pseudo_negative.equal(other.pseudo_negative)


def test_observed_negatives_are_not_pseudo_labelled():
    observed = torch.zeros(40, 1)
    observed[:30] = -1
    loss = trained(observed)
    loss.after_epoch(3, predict(predictions(0, classes=1)))
    assert (loss.pseudo_negative[30:] > 0).sum() == 1  # 0.9 of ten in five steps
    assert (loss.pseudo_negative[:30] == 0).all()
