"""LL-R, LL-Ct and LL-Cp: counts, ties, what may be modified, and what stays."""

import io
import math

import pytest
import torch
from loss_cases import evaluate, make
from spml.losses import build

METHODS = ["ll_r", "ll_ct", "ll_cp"]


def whole_number_count(entries, steps, tenths_of_percent):
    """ceil(entries * steps * tenths / 1000) in whole numbers."""
    return min(entries, (entries * steps * tenths_of_percent + 999) // 1000)


@pytest.mark.parametrize("entries", [1, 20, 320, 500, 1000, 1280, 16 * 81, 16 * 312])
def test_counts_are_exact(entries):
    for tenths in [0, 1, 2, 3, 4, 5, 7, 15, 100, 1000, 5000]:
        growing = make("ll_r", {"delta_rel": tenths / 10}, 3, 3, total_epochs=10)
        constant = make("ll_cp", {"delta_rel": tenths / 10}, 3, 3, total_epochs=10)
        for epoch in range(1, 11):
            assert growing.count(entries, epoch) == whole_number_count(entries, epoch - 1, tenths)
            assert constant.count(entries, epoch) == whole_number_count(
                entries, min(epoch - 1, 1), tenths
            )
            fraction = growing.schedule(epoch)["fraction"]
            assert fraction == pytest.approx(min(1.0, (epoch - 1) * tenths / 1000), rel=1e-15)


@pytest.mark.parametrize(("rows", "classes", "count"), [(16, 20, 8), (16, 80, 32)])
@pytest.mark.parametrize("name", ["ll_r", "ll_ct"])
def test_counts_do_not_drift_where_the_released_code_does(name, rows, classes, count):
    clean_rate = 1.0
    for _ in range(5):
        clean_rate -= 0.5 / 100
    assert math.ceil(rows * classes * (1 - clean_rate)) == count + 1  # what drifts
    loss = build(name, num_classes=classes, num_examples=rows, total_epochs=10, delta_rel=0.5)
    logits = torch.randn(rows, classes, generator=torch.Generator().manual_seed(0))
    observed = torch.zeros(rows, classes)
    loss(logits, observed, index=torch.arange(rows), epoch=6)
    assert loss.modified.sum() == count


@pytest.mark.parametrize("name", METHODS)
def test_the_largest_losses_are_modified(name):
    loss = make(name, {"delta_rel": 20}, 5, 2)
    logits = [[5.0, 1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, 6.0, 0.0, 0.5]]
    observed = [[1, 0, 0, 0, 0], [0, 0, -1, 0, 0]]
    evaluate(loss, logits, observed, [0, 1], 2)
    # Two of ten; 5.0 is observed and 6.0 is an observed negative.
    assert loss.modified.tolist() == [[False, False, False, True, True], [False] * 5]
    evaluate(loss, logits, observed, [0, 1], 1)
    assert not loss.modified.any()
    assert loss.modified.shape == (2, 5)
    assert loss.modified.dtype == torch.bool


@pytest.mark.parametrize("name", METHODS)
def test_all_ties_at_the_threshold_are_modified(name):
    logits = [[2.0, 2.0, 2.0, 1.0], [3.0, 2.0, 0.0, -1.0]]
    loss = make(name, {"delta_rel": 25}, 4, 2)  # two of eight: 3.0 and one of the 2.0
    evaluate(loss, logits, [[0] * 4, [0] * 4], [0, 1], 2)
    assert loss.modified.tolist() == [[True, True, True, False], [True, True, False, False]]
    loss = make(name, {"delta_rel": 1}, 4, 2)
    evaluate(loss, [[0.0] * 4] * 2, [[0, 0, 0, 1], [0, -1, 0, 0]], [0, 1], 2)
    assert loss.modified.sum() == 6


@pytest.mark.parametrize("name", METHODS)
def test_observed_entries_are_never_modified(name):
    # All losses of unobserved entries underflow to 0, the value that observed entries have.
    loss = make(name, {"delta_rel": 100}, 3, 2)
    observed = torch.tensor([[1, 0, -1], [0, 1, 0]])
    evaluate(loss, [[-200.0] * 3] * 2, observed, [0, 1], 8, torch.float32)
    assert loss.modified.equal(observed == 0)


@pytest.mark.parametrize("name", METHODS)
def test_rejected_entries_count_in_the_mean(name):
    loss = make(name, {"delta_rel": 50}, 2, 1)
    value, gradient = evaluate(loss, [[0.0, -1.0]], [[0, 0]], [0], 2)
    small = math.log1p(math.exp(-1.0))
    large = 0.0 if name == "ll_r" else math.log(2)
    assert value.item() == pytest.approx((small + large) / 2, rel=1e-12)
    assert gradient[0, 0].item() == pytest.approx(0.0 if name == "ll_r" else -0.25, abs=1e-15)


def test_permanent_correction_stays_and_is_no_candidate():
    loss = make("ll_cp", {"delta_rel": 0.1}, 3, 2)  # one of six
    logits = [[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]]
    observed = [[0, 0, 0], [1, 0, 0]]
    for step, corrected in enumerate([2, 1, 0]):
        evaluate(loss, logits, observed, [0, 1], 2)
        assert loss.modified.nonzero().tolist() == [[0, corrected]]
        assert loss.corrected.sum() == step + 1
    # Next in line is z = 0, though the corrected entries would have larger losses.
    value, _ = evaluate(loss, logits, observed, [0, 1], 2)
    assert loss.modified.nonzero().tolist() == [[1, 1]]
    costs = [math.log1p(math.exp(-z)) for z in (1.0, 2.0, 3.0, 0.5, 0.0)]
    assert value.item() == pytest.approx((sum(costs) + math.log1p(math.exp(-1.0))) / 6, rel=1e-12)


def test_a_count_of_one_changes_one_label():
    """The released code changes labels above the threshold, that is none here."""
    loss = make("ll_cp", {"delta_rel": 0.1}, 20, 16)
    logits = torch.randn(16, 20, generator=torch.Generator().manual_seed(1))
    loss(logits, torch.zeros(16, 20), index=torch.arange(16), epoch=2)
    assert loss.corrected.sum() == 1
    assert loss.corrected.flatten().nonzero().item() == logits.argmax()


@pytest.mark.parametrize(
    ("classes", "delta_rel", "count"),
    # Batches of 16 with LL's values for VOC, COCO, NUS and CUB.
    [(20, 0.1, 1), (80, 0.2, 3), (81, 0.2, 3), (312, 0.2, 10)],
)
def test_strict_correction_keeps_one_entry_less(classes, delta_rel, count):
    logits = torch.randn(16, classes, generator=torch.Generator().manual_seed(1))
    largest = logits.flatten().argsort(descending=True)
    for strict in (False, True):
        loss = make("ll_cp", {"delta_rel": delta_rel, "strict": strict}, classes, 16)
        loss(logits, torch.zeros(16, classes), index=torch.arange(16), epoch=2)
        assert set(loss.modified.flatten().nonzero().flatten().tolist()) == set(
            largest[:count].tolist()
        )
        kept = largest[: count - strict]
        assert set(loss.corrected.flatten().nonzero().flatten().tolist()) == set(kept.tolist())


def test_strict_correction_keeps_no_tie_and_costs_the_same_in_its_step():
    logits = [[2.0, 2.0, 3.0], [1.0, 2.0, 9.0]]
    observed = [[0, 0, 0], [0, 0, 1]]
    values = []
    for strict in (False, True):
        # Two of six: 3.0, and one of the three that tie at 2.0. The observed 9.0 is no candidate.
        loss = make("ll_cp", {"delta_rel": 33, "strict": strict}, 3, 2)
        values.append(evaluate(loss, logits, observed, [0, 1], 2)[0])
        assert loss.modified.sum() == 4
        assert loss.corrected.sum() == (1 if strict else 4)
    assert values[0] == values[1]
    assert loss.corrected.nonzero().tolist() == [[0, 2]]


def test_nothing_is_corrected_in_the_first_epoch():
    loss = make("ll_cp", {"delta_rel": 50}, 3, 2)
    evaluate(loss, [[1.0, 2.0, 3.0]], [[0, 0, 0]], [1], 1)
    assert not loss.corrected.any()


def test_permanent_correction_follows_the_index():
    loss = make("ll_cp", {"delta_rel": 1}, 2, 10)
    evaluate(loss, [[0.0, 5.0], [1.0, 0.0]], [[0, 0], [0, 0]], [7, 3], 2)
    assert loss.corrected.nonzero().tolist() == [[7, 1]]
    # The same image in another place of another batch: its class 1 counts as positive.
    value, _ = evaluate(loss, [[-9.0, -9.0], [-9.0, 0.0]], [[0, 0], [0, 0]], [3, 7], 1)
    expected = (3 * math.log1p(math.exp(-9.0)) + math.log(2)) / 4
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_permanent_correction_survives_a_checkpoint():
    first = make("ll_cp", {"delta_rel": 10}, 4, 6)
    generator = torch.Generator().manual_seed(2)
    steps = [
        (torch.randn(3, 4, generator=generator), torch.randperm(6, generator=generator)[:3])
        for _ in range(6)
    ]
    observed = torch.zeros(3, 4)
    for logits, index in steps[:3]:
        first(logits, observed, index=index, epoch=2)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make("ll_cp", {"delta_rel": 10}, 4, 6)
    second.load_state_dict(torch.load(file))
    assert second.corrected.any()
    for logits, index in steps[3:]:
        assert first(logits, observed, index=index, epoch=3) == second(
            logits, observed, index=index, epoch=3
        )
    assert first.corrected.equal(second.corrected)


def test_labels_change_only_in_training():
    loss = make("ll_cp", {"delta_rel": 50}, 3, 2).eval()
    evaluate(loss, [[1.0, 2.0, 3.0]], [[0, 0, 0]], [1], 2)
    assert loss.modified.any()
    assert not loss.corrected.any()


def test_temporary_correction_keeps_nothing():
    for name in ["ll_r", "ll_ct"]:
        assert make(name, {"delta_rel": 50}, 3, 2).state_dict() == {}
