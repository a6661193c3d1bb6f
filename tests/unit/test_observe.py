import hashlib
import subprocess
import sys

import numpy as np
import pytest
from spml.data.drawing import draw_observed
from spml.data.labels import Labels, Split, save_labels
from spml.data.observation import load_observation
from spml.observe import observe, split_rows

# First indices and digests of the papers' divisions: sha256 of the little-endian int64 arrays.
PUBLISHED_SPLITS = {
    5717: ([5, 6, 11, 15, 22], "b3eebaf1f95fb36a", "f5709e6ab75fb71e"),
    82081: ([3, 4, 34, 37, 48], "d7f76149fea1d8a9", "bd52756686feb243"),
}


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype("<i8").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("count", PUBLISHED_SPLITS)
def test_division_equals_the_published_one(count):
    first, train_digest, val_digest = PUBLISHED_SPLITS[count]
    train, val = split_rows(count, validation_fraction=0.2, seed=1200)
    assert val[:5].tolist() == first
    assert (digest(train), digest(val)) == (train_digest, val_digest)
    assert sorted([*train, *val]) == list(range(count))


def random_truth(rows=200, classes=9, seed=0):
    return np.random.default_rng(seed).random((rows, classes)) < 0.3


def test_draw_follows_the_released_stream():
    """The rule written out once more: shuffle positives, keep one, then shuffle the negatives."""
    truth = random_truth()
    drawn = draw_observed(truth, positives=1, negatives=0, seed=1200)
    random = np.random.RandomState(1200)
    for row, observed in zip(truth, drawn, strict=True):
        positives, negatives = np.where(row)[0], np.where(~row)[0]
        random.shuffle(positives)
        random.shuffle(negatives)
        assert np.where(observed)[0].tolist() == positives[:1].tolist()


@pytest.mark.parametrize("positives", [0, 1, 2, "all"])
@pytest.mark.parametrize("negatives", [0, 1, "all"])
def test_counts_and_truthfulness(positives, negatives):
    truth = random_truth()
    observed = draw_observed(truth, positives=positives, negatives=negatives, seed=3)
    for value, wanted, candidates in ((1, positives, truth), (-1, negatives, ~truth)):
        available = candidates.sum(axis=1)
        expected = available if wanted == "all" else np.minimum(available, wanted)
        assert ((observed == value).sum(axis=1) == expected).all()
        assert candidates[observed == value].all()


def test_negatives_do_not_change_which_positive_is_drawn():
    truth = random_truth()
    alone = draw_observed(truth, positives=1, negatives=0, seed=1200)
    both = draw_observed(truth, positives=1, negatives="all", seed=1200)
    assert ((alone == 1) == (both == 1)).all()


def test_each_positive_is_equally_likely():
    truth = np.tile(np.array([True, True, False, True]), (6000, 1))
    observed = draw_observed(truth, positives=1, negatives=0, seed=5)
    share = (observed == 1).mean(axis=0)
    assert share[2] == 0
    np.testing.assert_allclose(share[[0, 1, 3]], 1 / 3, atol=0.03)


def test_refuses_counts_that_make_no_sense():
    with pytest.raises(ValueError, match="positives"):
        draw_observed(random_truth(), positives=-1, negatives=0, seed=0)
    with pytest.raises(ValueError, match="validation_fraction"):
        split_rows(10, validation_fraction=1.0, seed=0)


def test_command_writes_what_the_function_returns(tmp_path):
    truth = random_truth(50)
    split = Split(images=np.array([f"{row}.jpg" for row in range(50)]), truth=truth)
    save_labels(tmp_path / "labels.npz", Labels(tuple("abcdefghi"), split, split))
    settings = '{"positives":1,"negatives":0,"seed":7,"validation_fraction":0.2,"split_seed":8}'
    command = [sys.executable, "-m", "spml.observe", "--labels", tmp_path / "labels.npz"]
    command += ["--settings", settings, "--output", tmp_path / "observed.npz"]
    subprocess.run(command, check=True, capture_output=True)
    written = load_observation(tmp_path / "observed.npz")
    expected = observe(
        truth, positives=1, negatives=0, seed=7, validation_fraction=0.2, split_seed=8
    )
    for name in ("train", "val", "observed"):
        assert (getattr(written, name) == getattr(expected, name)).all()
    assert len(written.val) == 10
