"""Heads that are trained on features of a frozen backbone, and where such features come from."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shared_data import shared
from sklearn.linear_model import LogisticRegression
from small_runs import CPU, make_settings
from spml import features, import_features, losses
from spml.data.labels import load_labels
from spml.data.packed import save_packed
from spml.features import BATCH_SIZE, PartialFeatures, extract_features
from spml.localise import load_run
from spml.measures.metrics import mean_average_precision
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError
from spml.plumbing.progress import Progress
from spml.training.engine import Data, Trainer
from spml.training.models import build_classifier, build_frozen_classifier

ROWS, FEATURES, CLASSES = 300, 12, 3


def linear_task() -> tuple[np.ndarray, np.ndarray]:
    """Features and a truth that depends on them, and on chance."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    noise = random.normal(size=(ROWS, CLASSES))
    return inputs, inputs @ random.normal(size=(FEATURES, CLASSES)) + noise > 0.5


def test_head_on_frozen_features_is_the_logistic_regression_of_scikit_learn():
    inputs, truth = linear_task()
    rows = np.arange(ROWS)
    images = inputs.view(np.uint8)
    data = Data(
        images, images[200:], rows[:200], rows[200:], truth, np.where(truth, 1, -1).astype(np.int8)
    )
    settings = make_settings(
        epochs=300, batch_size=200, learning_rate=0.1, frozen=True, selection="clean"
    )
    loss = losses.build("bce", num_classes=CLASSES, num_examples=200, total_epochs=300)
    torch.manual_seed(0)
    trainer = Trainer(build_frozen_classifier(FEATURES, CLASSES), loss, data, settings, CPU)
    result = trainer.run()
    assert set(result.weights) == {"head.weight", "head.bias"}
    assert result.test.shape == (100, CLASSES)
    for column in range(CLASSES):
        # Without a penalty, which the head has none of either.
        model = LogisticRegression(C=1e6, max_iter=1000).fit(inputs[:200], truth[:200, column])
        expected = model.predict_proba(inputs[200:])[:, 1]
        np.testing.assert_allclose(result.val_last[:, column], expected, atol=0.05)
    best = max(entry["val_map"] for entry in result.history)
    assert mean_average_precision(result.val, truth[200:]) == pytest.approx(best)


def pictures(count: int = 2 * BATCH_SIZE + 10) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 1)).astype(np.uint8)


def extracted(**options) -> np.ndarray:
    torch.manual_seed(0)
    backbone = build_classifier("digit_network", 1).backbone
    return np.concatenate(
        list(
            extract_features(
                backbone, pictures(), mean=[0.1], deviation=[0.2], device=CPU, **options
            )
        )
    )


def test_bytes_of_features_depend_neither_on_the_workers_nor_on_where_they_began():
    whole = extracted()
    assert extracted(workers=3).tobytes() == whole.tobytes()
    assert extracted(first=BATCH_SIZE, workers=2).tobytes() == whole[BATCH_SIZE:].tobytes()


def killed_after(batches: int, array: np.ndarray):
    """Batches of features from a process that ends in the middle."""
    for start in range(0, batches * BATCH_SIZE, BATCH_SIZE):
        yield array[start : start + BATCH_SIZE]
    raise KeyboardInterrupt


@pytest.mark.parametrize("cut", [0, 7], ids=["whole batches", "cut within a row"])
def test_extraction_goes_on_where_it_was_killed(cut, tmp_path):
    output = tmp_path / "features/train.npy"
    array = extracted()
    identity = {"of": "these pictures"}
    with Progress(disable=True) as progress:
        partial = PartialFeatures(output, array.shape, identity)
        assert partial.rows == 0
        with pytest.raises(KeyboardInterrupt):
            partial.write(killed_after(2, array), progress)
        assert not output.exists()
        if cut:
            with partial.path.open("r+b") as file:
                file.truncate(partial.path.stat().st_size - cut)
        again = PartialFeatures(output, array.shape, identity)
        assert again.rows == (BATCH_SIZE if cut else 2 * BATCH_SIZE)
        again.write(iter([array[again.rows :]]), progress)
    assert np.array_equal(np.load(output), array)
    assert sorted(path.name for path in output.parent.iterdir()) == ["train.npy"]


def test_rows_of_other_pictures_are_not_kept(tmp_path):
    output = tmp_path / "train.npy"
    array = extracted()
    with Progress(disable=True) as progress:
        with pytest.raises(KeyboardInterrupt):
            PartialFeatures(output, array.shape, {"of": "others"}).write(
                killed_after(1, array), progress
            )
        assert PartialFeatures(output, array.shape, {"of": "these"}).rows == 0


def test_command_extracts_either_split(tmp_path, monkeypatch):
    torch.manual_seed(0)
    backbone = build_classifier("digit_network", 1).backbone
    torch.save(backbone.state_dict(), tmp_path / "backbone.pt")
    save_packed(tmp_path / "manifest.json", {"train": pictures(5), "test": pictures()})
    settings = {
        "architecture": "digit_network",
        "images": {"mean": [0.1], "deviation": [0.2]},
        "device": "cpu",
        "threads": 1,
    }
    command = ["features", "--settings", json.dumps(settings), "--split", "test"]
    command += ["--images", str(tmp_path / "manifest.json"), "--workers", "2"]
    command += ["--backbone", str(tmp_path / "backbone.pt"), "--output", str(tmp_path / "test.npy")]
    monkeypatch.setattr(sys, "argv", command)
    features.main()
    assert np.load(verified(tmp_path / "test.npy")).tobytes() == extracted().tobytes()


def test_run_without_its_backbone_is_put_together_for_the_pointing_game(tmp_path):
    torch.manual_seed(0)
    whole = build_classifier("digit_network", CLASSES).eval()
    torch.save(whole.backbone.state_dict(), tmp_path / "backbone.pt")
    head = {key: value for key, value in whole.state_dict().items() if key.startswith("head.")}
    torch.save(head, tmp_path / "weights.pt")
    found = load_run(
        {"architecture": "digit_network", "head": "linear"},
        CLASSES,
        tmp_path / "weights.pt",
        tmp_path / "backbone.pt",
    )
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(found(images), whole(images))


# --------------------------------------------------------------------------------------------------
# Features that are there already
# --------------------------------------------------------------------------------------------------


def arrays() -> dict[str, np.ndarray]:
    inputs, truth = linear_task()
    return {
        "train": np.round(inputs[:20] * 10 + 100).astype(np.uint8),
        "test": np.round(inputs[20:30] * 10 + 100).astype(np.uint8),
        "train_truth": truth[:20],
        "test_truth": truth[20:30].astype(np.int8),
        "classes": np.array(["a", "b", "c"]),
    }


def taken_over(folder: Path, monkeypatch, scale: float = 0.1, **changes) -> Path:
    """Run the command on a file with these arrays; None leaves one out."""
    kept = {name: array for name, array in (arrays() | changes).items() if array is not None}
    np.savez(folder / "given.npz", **kept)
    words = ["import_features", "--file", str(folder / "given.npz"), "--scale", str(scale)]
    for name in ("train.npy", "test.npy", "labels.npz"):
        words += [f"--{name.partition('.')[0]}", str(folder / name)]
    monkeypatch.setattr(sys, "argv", words)
    import_features.main()
    return folder


def test_given_features_and_labels_are_taken_over(tmp_path, monkeypatch):
    names = np.array([f"photo {row}.jpg" for row in range(10)])
    folder = taken_over(tmp_path, monkeypatch, test_images=names)
    given = arrays()
    for split in ("train", "test"):
        found = np.load(verified(folder / f"{split}.npy"))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, given[split] / 10, rtol=1e-6)
    labels = load_labels(folder / "labels.npz")
    assert labels.classes == ("a", "b", "c")
    assert np.array_equal(labels.train.truth, given["train_truth"])
    assert np.array_equal(labels.test.truth, given["test_truth"] == 1)
    assert labels.train.paths()[:2] == ["train/0", "train/1"]
    assert labels.test.paths() == names.tolist()


def changed(array: np.ndarray, value: float) -> np.ndarray:
    array = array.astype(np.float64)
    array[3, 1] = value
    return array


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"test": None}, "there is no array 'test'"),
        ({"train": changed(arrays()["train"], np.nan)}, "row 3 of train has a value"),
        ({"train": arrays()["train"][:, :5]}, "features of train and test differ in length"),
        ({"train": arrays()["train"][:10]}, r"train_truth has shape \(20, 3\); 10 rows"),
        ({"test": arrays()["test"].astype(str)}, "numbers are expected"),
        ({"test_truth": changed(arrays()["test_truth"], 0.9)}, "of row 3, b is 0.9; allowed: 0"),
        ({"test_truth": changed(arrays()["test_truth"], -1)}, "of row 3, b is -1.0"),
        ({"classes": np.array(["a", "b"])}, "2 classes are expected"),
        ({"classes": np.array(["a", "b", "a"])}, "a class stands twice"),
        ({"train_images": np.array(["x"])}, "train_images has 1 names; train has 20 rows"),
    ],
)
def test_given_features_with_a_mistake_are_refused(changes, sentence, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=sentence):
        taken_over(tmp_path, monkeypatch, **changes)
    assert not (tmp_path / "labels.npz").exists()


@pytest.mark.parametrize("name", ["given.npz", "nowhere.npz"])
def test_file_of_features_that_cannot_be_read_is_named(name, tmp_path):
    (tmp_path / "given.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=f"{name} cannot be read"):
        import_features.read_labels(tmp_path / name)


def test_full_labels_are_worth_more_than_one_positive_on_real_photographs():
    """And shuffled rows of labels are worth nothing."""
    path = shared("features/coco18_mobilenet_v2.npz")
    scale = 6 / 255
    inputs = import_features.read_features(path, "train", scale)
    test = import_features.read_features(path, "test", scale)
    labels = import_features.read_labels(path)
    truth = labels.train.truth
    random = np.random.default_rng(0)
    observed = np.zeros(truth.shape, np.int8)
    chosen = np.argmax(np.where(truth, random.random(truth.shape), -1), axis=1)
    observed[np.arange(len(truth)), chosen] = 1
    rows = np.arange(len(truth))

    def precision(loss: str, labels_seen: np.ndarray) -> float:
        data = Data(
            inputs.view(np.uint8), test.view(np.uint8), rows[:1600], rows[1600:], truth, labels_seen
        )
        settings = make_settings(
            epochs=6, batch_size=32, learning_rate=0.001, frozen=True, selection="clean"
        )
        built = losses.build(loss, num_classes=18, num_examples=1600, total_epochs=6)
        torch.manual_seed(0)
        head = build_frozen_classifier(inputs.shape[1], 18)
        result = Trainer(head, built, data, replace(settings, seed=1), CPU).run()
        return mean_average_precision(result.test, labels.test.truth)

    whole = precision("bce", np.where(truth, 1, -1).astype(np.int8))
    one = precision("an", observed)
    shuffled = precision("bce", np.where(random.permutation(truth), 1, -1).astype(np.int8))
    base_rate = 100 * labels.test.truth.mean()
    assert whole > one + 2 > shuffled + 10
    assert shuffled < base_rate + 5
