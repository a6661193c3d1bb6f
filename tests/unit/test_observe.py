import hashlib
import json
import random as python_random
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from scipy.sparse import csr_array
from shared_data import shared
from spml.data.drawing import draw_biased, draw_known, draw_observed, entry_weights
from spml.data.labels import Labels, Split, save_labels
from spml.data.observation import load_observation
from spml.datasets.boxes import objects_of
from spml.datasets.coco2014 import read_split
from spml.datasets.digits import compose
from spml.observe import observe, split_rows
from spml.plumbing.errors import UserError

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


# --- known shares ---------------------------------------------------------------------------------


def test_known_entries_are_those_below_the_share_and_nested():
    """The rule with NumPy's global generator, which the released code seeds."""
    truth = random_truth()
    np.random.seed(0)
    chances = np.random.random(truth.shape)
    signs = np.where(truth, 1, -1)
    for share in (0.1, 0.5, 0.9, 1.0):
        drawn = draw_known(truth, share=share, seed=0)
        assert drawn.dtype == np.int8
        assert (drawn == np.where(chances < share, signs, 0)).all()
    assert (drawn == signs).all()


def test_known_share_of_what_is_annotated():
    truth, share = random_truth(), 0.3
    whole = csr_array(np.ones_like(truth))
    everywhere = draw_known(csr_array(truth), whole, share=share, seed=4).toarray()
    assert (everywhere == draw_known(truth, share=share, seed=4)).all()
    annotated = np.random.default_rng(1).random(truth.shape) < 0.4
    some = draw_known(csr_array(truth & annotated), csr_array(annotated), share=share, seed=4)
    some = some.toarray()
    assert annotated[some != 0].all()
    assert ((some == 1) <= truth).all()
    assert ((some == -1) <= ~truth).all()
    assert (some != 0).sum() / annotated.sum() == pytest.approx(share, abs=0.05)


# --- biased single positives ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini_coco(tmp_path_factory):
    archive = shared("mini_coco_mirror/annotations/annotations_trainval2014.zip")
    root = tmp_path_factory.mktemp("coco")
    with zipfile.ZipFile(archive) as file:
        file.extractall(root)
    return root


@pytest.mark.parametrize("bias", ["size", "location"])
@pytest.mark.parametrize(("split", "released"), [("train", "train"), ("test", "val")])
def test_biased_positives_are_those_of_the_released_script(mini_coco, bias, split, released):
    draws = json.loads(shared("labels/biased_draws_mini_coco.json").read_text())[released]
    _, labels = read_split(mini_coco, split)
    numbers = [int(path[-16:-4]) for path in labels.paths()]
    assert numbers == draws["image_id"]
    weights = entry_weights(labels.objects, labels.truth.shape, bias)
    observed = draw_biased(labels.truth, weights, seed=1200)
    assert (observed.sum(axis=1) == 1).all()
    assert observed.argmax(axis=1).tolist() == draws[bias]


def test_chances_follow_areas_and_inverse_distances():
    # An image of 10 x 10: two objects of class 0 with areas 4 and 2, one of class 2 in the middle.
    boxes = np.array([[0, 0, 0, 0, 2, 2], [0, 0, 8, 0, 10, 1], [0, 2, 4, 4, 6, 6]], np.float32)
    objects = objects_of(boxes, 10)
    assert objects[:, 2].tolist() == [4, 2, 4]
    np.testing.assert_allclose(objects[:, 3], [32**0.5, (4**2 + 4.5**2) ** 0.5, 0])
    assert entry_weights(objects, (1, 3), "size").tolist() == [[6, 0, 4]]
    near = 1 / 32**0.5 + 1 / (4**2 + 4.5**2) ** 0.5
    np.testing.assert_allclose(entry_weights(objects, (1, 3), "location"), [[near, 0, 1 / 0.0005]])


def test_biased_draw_is_that_of_random_choices():
    truth = random_truth(rows=500)
    truth[:, 0] = True
    weights = np.random.default_rng(2).random(truth.shape) * truth
    observed = draw_biased(truth, weights, seed=9)
    random = python_random.Random(9)
    expected = [
        random.choices(range(9), (row / row.sum()).tolist())[0] for row in weights
    ]  # fmt: skip
    assert observed.argmax(axis=1).tolist() == expected


def test_what_has_no_object_is_equally_likely_and_a_row_without_positives_shows_nothing():
    truth = np.tile(np.array([[True, True, False]]), (4000, 1))
    truth[7] = False
    observed = draw_biased(truth, np.zeros(truth.shape), seed=3)
    assert not observed[7].any()
    assert (observed.sum(axis=1) == truth.any(axis=1)).all()
    np.testing.assert_allclose(observed.mean(axis=0), [0.5, 0.5, 0], atol=0.03)


def test_digits_have_objects_and_what_has_none_is_refused():
    _, labels = compose(
        train=60, test=10, size=24, digits=(1, 4), noise=0.1, test_scans=0.35, seed=1200
    )
    how = {"seed": 1200, "validation_fraction": 0.2, "split_seed": 1200}
    split = labels.train
    assert (split.objects[:, 2] == 64).all()
    for bias in ("size", "location"):
        observed = observe(split.truth, objects=split.objects, bias=bias, **how).observed
        assert ((observed == 1) <= split.truth).all()
        assert (observed.sum(axis=1) == 1).all()
    with pytest.raises(UserError, match="bias: size needs boxes of the objects, and this dataset"):
        observe(split.truth, bias="size", **how)
