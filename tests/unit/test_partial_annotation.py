"""Sparse labels: everything that reads them gives what dense labels would give."""

import json

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score
from spml.data.drawing import draw_annotated
from spml.data.labels import Labels, Split, save_labels
from spml.data.matrices import dense, matrix_arrays, read_matrix
from spml.data.observation import load_observation, save_observation
from spml.evaluate import annotation_groups, measure
from spml.observe import main, observe, thin_out
from spml.plumbing.errors import UserError
from spml.training.label_rows import SparseRows, label_rows


@pytest.fixture
def known():
    """(truth, annotated), dense: a fifth of the entries is annotated, half of those present."""
    random = np.random.default_rng(0)
    annotated = random.random((60, 12)) < 0.2
    return annotated & (random.random(annotated.shape) < 0.5), annotated


@pytest.mark.parametrize("sparse", [False, True])
def test_matrices_survive_a_file(known, sparse, tmp_path):
    matrix = csr_array(known[0]) if sparse else known[0]
    np.savez(tmp_path / "m.npz", **matrix_arrays("truth", matrix))
    with np.load(tmp_path / "m.npz") as arrays:
        loaded = read_matrix(arrays, "truth")
        assert read_matrix(arrays, "other") is None
    assert type(loaded) is type(matrix)
    assert (dense(loaded) == known[0]).all()


def test_all_labels_are_the_annotated_ones(known):
    truth, annotated = known
    drawn = draw_annotated(
        csr_array(truth), csr_array(annotated), positives="all", negatives="all", seed=1
    ).toarray()
    assert ((drawn == 1) == truth).all()
    assert ((drawn == -1) == (annotated & ~truth)).all()


def test_counts_are_drawn_among_the_annotated(known):
    truth, annotated = known
    drawn = draw_annotated(
        csr_array(truth), csr_array(annotated), positives=1, negatives=2, seed=1
    ).toarray()
    assert (drawn[drawn != 0] == np.where(truth, 1, -1)[drawn != 0]).all()
    assert (annotated[drawn != 0]).all()
    assert ((drawn == 1).sum(axis=1) == np.minimum(truth.sum(axis=1), 1)).all()
    assert ((drawn == -1).sum(axis=1) == np.minimum((annotated & ~truth).sum(axis=1), 2)).all()


def test_official_validation_rows_validate(known, tmp_path):
    truth, annotated = known
    observation = observe(
        csr_array(truth),
        annotated=csr_array(annotated),
        validation=10,
        positives="all",
        negatives="all",
        seed=1,
        validation_fraction=0.2,
        split_seed=1,
    )
    assert observation.val.tolist() == list(range(50, 60))
    assert observation.train.tolist() == list(range(50))
    save_observation(tmp_path / "observed.npz", observation)
    loaded = load_observation(tmp_path / "observed.npz")
    assert (loaded.observed != observation.observed).nnz == 0


@pytest.mark.parametrize("guilty", ["validation", "test"])
def test_rows_without_a_map_are_refused_before_training(known, guilty, tmp_path, monkeypatch):
    truth, annotated = known
    images = np.arange(60).astype(str)
    whole = Split(images, csr_array(truth), annotated=csr_array(annotated), validation=10)
    rows = slice(50, None) if guilty == "validation" else slice(None)
    annotated[rows] = truth[rows] = False
    part = Split(images, csr_array(truth), annotated=csr_array(annotated), validation=10)
    splits = (part, whole) if guilty == "validation" else (whole, part)
    labels, output = tmp_path / "labels.npz", tmp_path / "observed.npz"
    save_labels(labels, Labels(tuple("abcdefghijkl"), *splits))
    settings = {"positives": "all", "negatives": "all", "seed": 1}
    settings |= {"validation_fraction": 0.2, "split_seed": 1}
    command = ["observe", "--labels", str(labels), "--output", str(output)]
    monkeypatch.setattr("sys.argv", [*command, "--settings", json.dumps(settings)])
    with pytest.raises(
        UserError, match=rf"none of the \d+ {guilty} images in {labels} has an anno"
    ):
        main()
    assert not output.exists()


def test_fraction_follows_the_released_rule():
    rows = np.arange(100, 200)
    thinned = thin_out(rows, fraction=0.35)
    # The released code written out once more: RandomState(999), the first 35, sorted.
    assert thinned.tolist() == sorted(rows[np.random.RandomState(999).permutation(100)[:35]])
    assert thin_out(rows, fraction=1.0).tolist() == rows.tolist()
    for fraction in (0.0, 1.5):
        with pytest.raises(ValueError, match="fraction"):
            thin_out(rows, fraction=fraction)


def test_rows_on_the_device_equal_dense_rows():
    random = np.random.default_rng(3)
    matrix = random.integers(-1, 2, (40, 9)).astype(np.int8)
    matrix[[0, 7]] = 0  # rows without any entry
    rows = random.permutation(40)[:25]
    sparse = label_rows(csr_array(matrix), rows, torch.device("cpu"))
    assert isinstance(sparse, SparseRows)
    whole = label_rows(matrix, rows, torch.device("cpu"))
    for index in (torch.randperm(25)[:8], torch.zeros(0, dtype=torch.int64), torch.arange(25)):
        assert torch.equal(sparse.rows(index), whole.rows(index))


def test_only_annotated_entries_are_measured(known):
    truth, annotated = known
    annotated[:, 3] = truth[:, 3] = False
    scores = np.random.default_rng(1).random(truth.shape)
    measured = measure(scores, csr_array(truth), csr_array(annotated), [np.array([0, 3, 5])])
    expected = [
        100 * average_precision_score(truth[kept, c], scores[kept, c]) if kept.any() else None
        for c, kept in enumerate(annotated.T)
    ]
    assert measured["ap"][3] is None
    present = [value for value in expected if value is not None]
    np.testing.assert_allclose([v for v in measured["ap"] if v is not None], present)
    assert measured["map"] == pytest.approx(np.mean(present))
    assert measured["group_map"] == [pytest.approx((expected[0] + expected[5]) / 2)]


def test_group_of_which_nothing_is_known_has_no_map(known):
    truth, annotated = known
    annotated[:, 3] = truth[:, 3] = False
    scores = np.random.default_rng(1).random(truth.shape)
    groups = [np.array([3]), np.array([0])]
    measured = measure(scores, csr_array(truth), csr_array(annotated), groups)
    assert measured["group_map"] == [None, measured["ap"][0]]
    nothing = csr_array(np.zeros_like(truth))
    with pytest.raises(UserError, match="no class has an annotated entry"):
        measure(scores, nothing, nothing)


def test_fewer_classes_than_groups_form_none():
    annotated = csr_array(np.eye(4, 3, dtype=bool))
    train = Split(np.arange(4).astype(str), annotated, annotated=annotated)
    assert annotation_groups(Labels(tuple("abc"), train, train)) == []


def test_groups_go_from_rare_to_frequent_training_annotation():
    annotated = np.zeros((6, 10), dtype=bool)
    for column in range(10):
        annotated[: (column * 3) % 5, column] = True
    annotated[5] = True  # a validation row, which does not count
    truth = csr_array(np.zeros_like(annotated))
    train = Split(np.arange(6).astype(str), truth, annotated=csr_array(annotated), validation=1)
    groups = annotation_groups(Labels(tuple("abcdefghij"), train, train))
    counts = annotated[:5].sum(axis=0)
    assert [len(group) for group in groups] == [2] * 5
    assert sorted(np.concatenate(groups)) == list(range(10))
    assert (np.diff(counts[np.concatenate(groups)]) >= 0).all()
