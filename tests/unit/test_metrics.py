import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from spml.measures.metrics import average_precision, mean_average_precision


def random_case(rows: int, classes: int, levels: int | None, seed: int):
    random = np.random.default_rng(seed)
    scores = random.random((rows, classes))
    if levels:
        scores = np.round(scores * levels) / levels  # many ties
    return scores, random.random((rows, classes)) < 0.3


@pytest.mark.parametrize("levels", [None, 10, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scikit_learn_with_and_without_ties(levels, dtype):
    scores, truth = random_case(400, 7, levels, seed=1)
    scores = scores.astype(dtype)
    expected = [average_precision_score(truth[:, c], scores[:, c]) for c in range(7)]
    np.testing.assert_allclose(average_precision(scores, truth), expected, rtol=0, atol=1e-12)


def test_hand_computed_ranking():
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    truth = np.array([[1], [0], [1], [0]])
    assert average_precision(scores, truth)[0] == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_class_without_positives_counts_zero_in_the_mean():
    scores = np.array([[0.9, 0.1], [0.2, 0.3]])
    truth = np.array([[1, 0], [0, 0]])
    assert average_precision(scores, truth).tolist() == [1.0, 0.0]
    assert mean_average_precision(scores, truth) == 50.0


def test_ignored_entries_take_no_part_and_an_ignored_class_is_skipped():
    scores, truth = random_case(100, 3, 5, seed=2)
    ignore = np.random.default_rng(3).random((100, 3)) < 0.5
    ignore[:, 2] = True
    precision = average_precision(scores, truth, ignore)
    for column in range(2):
        kept = ~ignore[:, column]
        expected = average_precision_score(truth[kept, column], scores[kept, column])
        assert precision[column] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(precision[2])
    assert mean_average_precision(scores, truth, ignore) == pytest.approx(
        100 * precision[:2].mean()
    )


def test_refuses_wrong_shapes_and_scores_that_are_not_finite():
    with pytest.raises(ValueError, match="must be equal"):
        average_precision(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="ignore"):
        average_precision(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="finite"):
        average_precision(np.full((1, 1), np.nan), np.ones((1, 1)))
