"""The bootstrap against resampling rows for real, and against scikit-learn's sample weights."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from spml.measures.metrics import average_precision
from spml.measures.statistics import (
    Resamples,
    draw_resamples,
    interval,
    resampled_map,
    weighted_average_precision,
)


def tied_scores(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Scores of which many are equal."""
    return random.random(shape).round(1).astype(np.float32)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def test_weighted_precision_is_that_of_repeated_rows(random):
    scores, truth = tied_scores(random, 40), random.random(40) < 0.3
    weights = random.integers(0, 4, size=(25, 40))
    found = weighted_average_precision(scores, truth, weights)
    for value, row in zip(found, weights, strict=True):
        rows = np.repeat(np.arange(40), row)
        expected = average_precision(scores[rows, None], truth[rows, None])[0]
        assert value == pytest.approx(expected, abs=1e-12)


def test_weighted_precision_is_scikit_learns(random):
    scores, truth = tied_scores(random, 60), random.random(60) < 0.4
    weights = random.integers(0, 5, size=(10, 60))
    found = weighted_average_precision(scores, truth, weights)
    for value, row in zip(found, weights, strict=True):
        expected = average_precision_score(truth, scores, sample_weight=row)
        assert value == pytest.approx(expected, abs=1e-12)


def test_class_without_drawn_positives_counts_zero():
    scores, truth = np.array([0.9, 0.5, 0.1]), np.array([True, False, False])
    assert weighted_average_precision(scores, truth, np.array([[0, 2, 1]])).tolist() == [0.0]
    assert weighted_average_precision(scores, ~truth & truth, np.ones((2, 3), int)).tolist() == [
        0.0,
        0.0,
    ]


def test_only_annotated_entries_are_resampled(random):
    """Against rows repeated for real; a class of which nothing was drawn is left out."""
    scores, truth = tied_scores(random, 2, 12, 4), random.random((12, 4)) < 0.5
    annotated = random.random((12, 4)) < 0.6
    annotated[:, 2], annotated[:, 3] = False, np.arange(12) == 5
    resamples = draw_resamples(resamples=20, seeds=2, images=12, random_seed=4)
    found = resampled_map(scores, truth, resamples, annotated)
    for value, seeds, weights in zip(found, resamples.seeds, resamples.weights, strict=True):
        rows = np.repeat(np.arange(12), weights)
        each = [
            np.nanmean(average_precision(scores[seed, rows], truth[rows], ~annotated[rows]))
            for seed in seeds
        ]
        assert value == pytest.approx(100 * np.mean(each), abs=1e-9)
    assert (resamples.weights[:, 5] == 0).any()  # class 3 is left out of some means, 2 of all


def test_resampled_map_is_the_mean_over_drawn_seeds_and_images(random):
    scores, truth = tied_scores(random, 3, 50, 4), random.random((50, 4)) < 0.3
    resamples = draw_resamples(resamples=20, seeds=3, images=50, random_seed=4)
    found = resampled_map(scores, truth, resamples)
    for value, seeds, weights in zip(found, resamples.seeds, resamples.weights, strict=True):
        rows = np.repeat(np.arange(50), weights)
        maps = [100 * average_precision(scores[seed][rows], truth[rows]).mean() for seed in seeds]
        assert value == pytest.approx(np.mean(maps), abs=1e-9)


def test_resamples_in_blocks_are_those_in_one(random, monkeypatch):
    scores, truth = tied_scores(random, 2, 30, 2), random.random((30, 2)) < 0.5
    resamples = draw_resamples(resamples=17, seeds=2, images=30)
    whole = resampled_map(scores, truth, resamples)
    monkeypatch.setattr("spml.measures.statistics.BLOCK", 100)
    assert resampled_map(scores, truth, resamples).tolist() == whole.tolist()


def test_draws_have_the_size_of_the_sample_and_follow_the_seed():
    first = draw_resamples(resamples=200, seeds=3, images=40)
    again = draw_resamples(resamples=200, seeds=3, images=40)
    other = draw_resamples(resamples=200, seeds=3, images=40, random_seed=1)
    assert (first.weights.sum(axis=1) == 40).all()
    assert set(np.unique(first.seeds)) == {0, 1, 2}
    assert np.array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)


def test_images_not_resampled_leave_the_map_as_it_is(random):
    scores, truth = tied_scores(random, 1, 30, 5), random.random((30, 5)) < 0.5
    once = Resamples(seeds=np.zeros((1, 1), int), weights=np.ones((1, 30), np.int32))
    expected = 100 * average_precision(scores[0], truth).mean()
    assert resampled_map(scores, truth, once)[0] == pytest.approx(expected, abs=1e-9)


def test_interval_holds_the_middle_of_the_values():
    low, high = interval(np.arange(101.0))
    assert (low, high) == pytest.approx((2.5, 97.5))
    low, high = interval(np.arange(101.0), level=0.5)
    assert (low, high) == pytest.approx((25, 75))


def test_interval_of_a_mean_has_the_width_that_theory_gives(random):
    """With one class whose AP is the share of positives, mAP resamples as a mean does."""
    images = 2000
    truth = random.random((images, 1)) < 0.3
    scores = np.zeros((1, images, 1), np.float32)
    resamples = draw_resamples(resamples=2000, seeds=1, images=images)
    low, high = interval(resampled_map(scores, truth, resamples))
    share = truth.mean()
    expected = 2 * 1.96 * 100 * np.sqrt(share * (1 - share) / images)
    assert high - low == pytest.approx(expected, rel=0.08)
