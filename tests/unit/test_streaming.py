"""Average precision batch by batch, against scikit-learn's on all rows at once."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from spml.measures.streaming import MultilabelAveragePrecision

CLASSES = 7


def expected(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Each class of which something is known, by scikit-learn; NaN where nothing is."""
    values = []
    for column in range(scores.shape[1]):
        known = target[:, column] >= 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class without positives, which is 0 there too
            values.append(
                average_precision_score(target[known, column], scores[known, column])
                if known.any()
                else np.nan
            )
    return np.array(values)


def draw(seed: int, *, tied: bool, unknown: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets; class 0 has no positive, and class 1 is unknown where anything is."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(83, CLASSES)).astype(np.float32)
    target = (random.random(scores.shape) < 0.3).astype(np.int64)
    target[:, 0] = 0
    if unknown:
        target[random.random(scores.shape) < unknown] = -1
        target[:, 1] = -1
    return scores.round(0) if tied else scores, target


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("unknown", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn_however_it_is_cut_into_batches(seed, tied, unknown):
    scores, target = draw(seed, tied=tied, unknown=unknown)
    wanted = expected(scores, target)
    ignore = -1 if unknown else None
    each = MultilabelAveragePrecision(CLASSES, average="none", ignore_index=ignore)
    mean = MultilabelAveragePrecision(num_labels=CLASSES, ignore_index=ignore)
    for rows in np.split(np.arange(len(scores)), [1, 40, 80]):
        each.update(scores[rows], target[rows])
        mean.update(scores[rows], target[rows])
    np.testing.assert_allclose(each.compute(), wanted, rtol=0, atol=1e-12)
    assert wanted[0] == 0.0
    assert np.isnan(wanted[1]) == bool(unknown)
    assert mean.compute() == pytest.approx(np.nanmean(wanted), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_takes_tensors_of_a_training_step(dtype):
    scores, target = draw(0, tied=False, unknown=0.0)
    logits = torch.tensor(scores, dtype=dtype, requires_grad=True)
    metric = MultilabelAveragePrecision(CLASSES, average="none")
    metric.update(logits, torch.tensor(target).bool())
    wanted = expected(logits.detach().double().numpy(), target)
    np.testing.assert_allclose(metric.compute(), wanted, rtol=0, atol=1e-12)


def test_probabilities_rank_as_logits():
    scores, target = draw(1, tied=False, unknown=0.0)
    metric = MultilabelAveragePrecision(CLASSES)
    metric.update(scores, target)
    of_logits = metric.compute()
    metric.reset()
    metric.update(1 / (1 + np.exp(-scores.astype(np.float64))), target)
    assert metric.compute() == of_logits


def test_keeps_what_it_was_given_when_the_caller_reuses_the_memory():
    scores, target = draw(2, tied=False, unknown=0.0)
    wanted = np.mean(expected(scores, target))
    metric = MultilabelAveragePrecision(CLASSES)
    batch, labels = torch.tensor(scores), torch.tensor(target)
    metric.update(batch, labels)
    batch.zero_()
    labels.zero_()
    assert metric.compute() == pytest.approx(wanted, abs=1e-12)


def test_reset_forgets():
    scores, target = draw(3, tied=False, unknown=0.0)
    metric = MultilabelAveragePrecision(CLASSES)
    metric.update(-scores, target)
    metric.reset()
    with pytest.raises(ValueError, match="call update first"):
        metric.compute()
    metric.update(scores, target)
    assert metric.compute() == pytest.approx(np.mean(expected(scores, target)), abs=1e-12)


def test_no_known_class_has_no_mean():
    metric = MultilabelAveragePrecision(2, ignore_index=-1)
    metric.update(np.zeros((3, 2)), np.full((3, 2), -1))
    assert np.isnan(metric.compute())


ZEROS, TARGET = np.zeros((4, 2)), np.zeros((4, 2), dtype=int)


@pytest.mark.parametrize(
    ("argument", "preds", "target"),
    [
        ("preds", ZEROS[:, :1], TARGET),
        ("preds", ZEROS[0], TARGET),
        ("preds", TARGET, TARGET),
        ("preds", ZEROS * np.nan, TARGET),
        ("target", ZEROS, TARGET[:, :1]),
        ("target", ZEROS, TARGET[:3]),
        ("target", ZEROS, TARGET - 1),
        ("target", ZEROS, TARGET + 2),
        ("target", ZEROS, TARGET + 0.5),
    ],
)
def test_wrong_batch_is_named(argument, preds, target):
    with pytest.raises(ValueError, match=f"^{argument}: "):
        MultilabelAveragePrecision(2).update(preds, target)


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("num_labels", {"num_labels": 0}),
        ("average", {"num_labels": 2, "average": "micro"}),
        ("ignore_index", {"num_labels": 2, "ignore_index": 0}),
    ],
)
def test_wrong_argument_is_named(argument, given):
    with pytest.raises(ValueError, match=f"^{argument}: "):
        MultilabelAveragePrecision(**given)
