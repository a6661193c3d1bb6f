import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits
from spml.data.labels import load_labels, save_labels
from spml.datasets import digits

with open("config/datasets.yaml") as file:
    SETTINGS = yaml.safe_load(file)["datasets"]["digits"]["compose"]


@pytest.fixture(scope="module")
def composed():
    return digits.compose(**SETTINGS)


def test_scans_are_those_of_scikit_learn():
    source = load_digits()
    train, test = digits.load_scans(test_fraction=0.35, seed=1200)
    order = np.random.default_rng(1200).permutation(len(source.target))
    images = np.concatenate((test.images, train.images)) * 16
    labels = np.concatenate((test.labels, train.labels))
    assert (images == source.images[order]).all()
    assert (labels == source.target[order]).all()
    assert labels.dtype == source.target.dtype


def test_no_scan_is_in_both_parts():
    train, test = digits.load_scans(test_fraction=0.35, seed=1200)
    assert len(train.labels) + len(test.labels) == 1797
    seen = {scan.tobytes() for scan in train.images}
    assert not any(scan.tobytes() in seen for scan in test.images)


def test_sizes_and_mean_positives(composed):
    images, labels = composed
    assert images["train"].shape == (2500, 24, 24, 1)
    assert images["test"].shape == (1000, 24, 24, 1)
    for split in (labels.train, labels.test):
        # 1 to 4 draws of 10 classes: the mean of 10 * (1 - 0.9 ** n) is 2.2628.
        expected = np.mean([10 * (1 - 0.9**count) for count in (1, 2, 3, 4)])
        assert split.truth.sum(axis=1).mean() == pytest.approx(expected, abs=0.1)
        assert split.truth.any(axis=1).all()


def test_same_seed_same_bytes_other_seed_other_pictures(composed):
    images, labels = composed
    again, labels_again = digits.compose(**SETTINGS)
    assert images["train"].tobytes() == again["train"].tobytes()
    assert labels.test.truth.tobytes() == labels_again.test.truth.tobytes()
    other, _ = digits.compose(**{**SETTINGS, "seed": 1})
    assert images["train"].tobytes() != other["train"].tobytes()


def test_boxes_hold_the_digits_and_agree_with_the_truth(composed):
    images, labels = composed
    boxes = labels.test.boxes
    truth = np.zeros_like(labels.test.truth)
    truth[boxes[:, 0].astype(int), boxes[:, 1].astype(int)] = True
    assert (truth == labels.test.truth).all()
    assert ((boxes[:, 4:6] - boxes[:, 2:4]) == digits.SCAN_SIZE).all()
    assert boxes[:, 2:].min() >= 0
    assert boxes[:, 2:].max() <= SETTINGS["size"]
    # Inside a box the picture is much brighter than the noisy canvas around all boxes.
    inside = np.zeros(images["test"].shape[:3], dtype=bool)
    for row, _, left, top, right, bottom in boxes.astype(int):
        inside[row, top:bottom, left:right] = True
    pixels = images["test"][..., 0]
    assert pixels[inside].mean() > 3 * pixels[~inside].mean()


def test_labels_survive_the_file(composed, tmp_path):
    _, labels = composed
    save_labels(tmp_path / "labels.npz", labels)
    read = load_labels(tmp_path / "labels.npz")
    assert read.classes == labels.classes
    for name in ("images", "truth", "boxes"):
        assert (getattr(read.train, name) == getattr(labels.train, name)).all()
