"""Predictions of a finished run: those that it made itself, wherever its folder lies."""

import csv
import json
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import OPTIONS
from spml import export_onnx, predict
from spml.data.labels import Labels, Split, load_labels, save_labels
from spml.data.observation import Observation, save_observation
from spml.data.packed import save_packed
from spml.evaluate import measure
from spml.plumbing.checksums import RUN_CHECKSUMS, write_checksums
from spml.plumbing.errors import UserError
from spml.train import OUTPUTS, train
from spml.training.models import build_classifier

CLASSES = ("a cat", 'a "dog", perhaps', "vögel", "d")
ROWS, SIZE = 30, 16


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def inputs(request, tmp_path_factory) -> Path:
    """A finished run, its labels, and its test images as files."""
    folder = tmp_path_factory.mktemp("inputs")
    draw = np.random.default_rng(0)
    truth = draw.random((ROWS, len(CLASSES))) < 0.4
    truth[~truth.any(axis=1), 0] = True
    images = draw.integers(0, 256, (ROWS, SIZE, SIZE, request.param)).astype(np.uint8)
    split = Split(np.array([f"photos/{row:02d}.png" for row in range(ROWS)]), truth)
    save_labels(folder / "labels.npz", Labels(CLASSES, split, split))
    observed = np.zeros(truth.shape, dtype=np.int8)
    observed[np.arange(ROWS), truth.argmax(axis=1)] = 1
    rows = np.arange(ROWS)
    save_observation(folder / "observed.npz", Observation(rows[:20], rows[20:], observed))
    save_packed(folder / "manifest.json", {"train": images, "test": images})
    torch.manual_seed(0)
    architecture = {1: "digit_network", 3: "resnet18"}[request.param]
    state = build_classifier(architecture, len(CLASSES)).backbone.state_dict()
    torch.save(state, folder / "backbone.pt")
    train(
        {
            "dataset": "made_up",
            "protocol": "test",
            "method": "an",
            "seed": 0,
            "loss": "an",
            "hyperparameters": {},
            "observation": "single_positive",
            "architecture": architecture,
            "head": "boostlu" if request.param == 1 else "linear",
            "images": {
                "mean": [0.4] * request.param,
                "deviation": [0.3] * request.param,
                "flip": True,
            },
            "training": {
                **OPTIONS,
                "epochs": 1,
                "learning_rate": 1e-4,  # at which the scores of a deep network differ
                "linear_init": None,
                "device": "cpu",
                "threads": 1,
            },
        },
        Namespace(
            labels=folder / "labels.npz",
            observed=folder / "observed.npz",
            images=folder / "manifest.json",
            backbone=folder / "backbone.pt",
            features=None,
            machine={},
            checkpoint=None,
            output=folder / "run",
        ),
    )
    (folder / "photos").mkdir()
    for row, pixels in enumerate(images):
        picture = Image.fromarray(pixels[:, :, 0] if request.param == 1 else pixels)
        picture.save(folder / f"photos/{row:02d}.png")
    return folder


@pytest.fixture
def run(inputs, tmp_path) -> Path:
    """The run's folder, copied to another place; the data that it was made from is out of reach."""
    return shutil.copytree(inputs / "run", tmp_path / "elsewhere")


def command(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments)])
    predict.main()


def read(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Header, names of images, and scores."""
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    return header, [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=float)


def test_copied_run_predicts_what_it_has_scored(inputs, run, tmp_path, monkeypatch, capfd):
    """From the files themselves, through decoding and the network, in the order that they are given."""
    files = sorted((inputs / "photos").iterdir(), reverse=True)
    output = tmp_path / "new/predictions.csv"
    command(monkeypatch, "--device", "cpu", run, "--output", output, *files)
    header, names, scores = read(output)
    assert header == ["image", *CLASSES]
    assert names == [str(path) for path in files]
    wanted = np.load(run / "predictions.npz")["test"][::-1]
    assert wanted.std(axis=0).min() > 1e-4  # the pictures differ
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-6)
    assert capfd.readouterr().out == f"{output}: 30 pictures, 4 classes\n"


def test_folder_stands_for_the_pictures_in_it(inputs, run, tmp_path, monkeypatch):
    below = tmp_path / "many/below"
    shutil.copytree(inputs / "photos", below)
    (below / "notes.txt").write_text("no picture")
    (below / "00.png").rename(below.parent / "z.PNG")
    command(monkeypatch, run, tmp_path / "many", "--output", tmp_path / "p.csv")
    _, names, _ = read(tmp_path / "p.csv")
    assert [Path(name).name for name in names] == [
        *(f"{row:02d}.png" for row in range(1, ROWS)),
        "z.PNG",
    ]


@pytest.mark.parametrize("inputs", [1], ids=["grey"], indirect=True)
def test_broken_pictures_are_named_and_left_out(inputs, run, tmp_path):
    """As a process of its own, with its status, and none of what it says lost."""
    shutil.copytree(inputs / "photos", tmp_path / "photos")
    cut = tmp_path / "photos/03.png"
    cut.write_bytes(cut.read_bytes()[:60])
    (tmp_path / "photos/04.png").write_text("no picture")
    pictures = [tmp_path / f"photos/{row:02d}.png" for row in (2, 3, 4, 5)]
    words = [sys.executable, "-m", "spml.predict", run, "--device", "cpu"]
    done = subprocess.run(
        [*words, *pictures, tmp_path / "gone.png", "--output", tmp_path / "p.csv"],
        env={"PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for name, reason in (
        ("03.png", "cannot be decoded"),
        ("04.png", "cannot be decoded"),
        ("gone.png", "does not exist; is its name spelt right?"),
    ):
        assert any(name in line and reason in line for line in done.stderr.splitlines()), (
            done.stderr
        )
    assert "error: 3 of 5 pictures could not be read and are left out; all others are in" in (
        done.stderr
    )
    assert "5/5" in done.stderr  # the progress bar
    _, names, scores = read(tmp_path / "p.csv")
    assert names == [str(pictures[0]), str(pictures[3])]
    wanted = np.load(run / "predictions.npz")["test"][[2, 5]]
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-6)


def test_nothing_readable_leaves_what_was_there(run, tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("before")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(UserError, match=r"1 of 1 pictures .* nothing was written to"):
        command(monkeypatch, run, tmp_path / "a.png", "--output", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text() == "before"


def test_scores_of_the_test_split_have_names_and_give_the_same_map(
    inputs, run, tmp_path, monkeypatch
):
    labels = inputs / "labels.npz"
    command(monkeypatch, run, "--test", "--labels", labels, "--output", tmp_path / "t.csv")
    header, names, scores = read(tmp_path / "t.csv")
    split = load_labels(labels).test
    assert header == ["image", *CLASSES]
    assert names == split.paths()
    stored = np.load(run / "predictions.npz")["test"]
    assert (scores.astype(np.float32) == stored).all()  # as exact as they are
    assert measure(scores, split.truth) == measure(stored, split.truth)


def test_labels_of_the_test_split_are_found_in_the_project(inputs, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"results/labels/made_up.npz, .*--labels"):
        command(monkeypatch, run, "--test", "--output", "t.csv")
    Path("results/labels").mkdir(parents=True)
    shutil.copy(inputs / "labels.npz", "results/labels/made_up.npz")
    command(monkeypatch, run, "--test", "--output", "t.csv")
    assert len(read(Path("t.csv"))[1]) == ROWS


def write_record(run: Path, **changes: object) -> None:
    """Another record, with checksums that fit it; None takes a key away."""
    record = json.loads((run / "run.json").read_text()) | changes
    kept = {key: value for key, value in record.items() if value is not None}
    (run / "run.json").write_text(json.dumps(kept))
    write_checksums(*(run / name for name in OUTPUTS), into=run / RUN_CHECKSUMS)


def test_run_that_cannot_be_used_is_a_sentence(inputs, run, tmp_path, monkeypatch):
    picture, output = inputs / "photos/00.png", tmp_path / "p.csv"
    with pytest.raises(UserError, match=r"nowhere has no run\.json; give the folder of a finished"):
        command(monkeypatch, tmp_path / "nowhere", picture, "--output", output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty has no pictures"):
        command(monkeypatch, run, tmp_path / "empty", "--output", output)
    weights = (run / "weights.pt").read_bytes()
    (run / "weights.pt").write_bytes(weights[:-1])
    with pytest.raises(UserError, match=r"weights\.pt is not as it was written"):
        command(monkeypatch, run, picture, "--output", output)
    (run / "weights.pt").write_bytes(weights)
    write_record(run, classes=None)
    with pytest.raises(UserError, match=r"run\.json does not name its classes"):
        command(monkeypatch, run, picture, "--output", output)
    assert not output.exists()


def test_labels_of_another_dataset_are_refused(inputs, run, tmp_path, monkeypatch):
    labels = load_labels(inputs / "labels.npz")
    fewer = Split(labels.test.images[1:], labels.test.truth[1:])
    save_labels(tmp_path / "other.npz", Labels(CLASSES, labels.train, fewer))
    with pytest.raises(UserError, match=r"29 test images and the run .* has scored 30"):
        command(
            monkeypatch,
            *(run, "--test", "--labels", tmp_path / "other.npz", "--output", tmp_path / "t.csv"),
        )


@pytest.mark.parametrize("given", [["--test", "a.png"], []])
def test_pictures_or_the_test_split(run, monkeypatch, capsys, given):
    with pytest.raises(SystemExit, match="2"):
        command(monkeypatch, run, *given, "--output", "t.csv")
    assert "give pictures or --test, and not both" in capsys.readouterr().err


def test_export_without_onnx_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)  # as where it is not installed
    with pytest.raises(UserError, match="pip install onnx onnxruntime onnxscript"):
        export_onnx.export(run, tmp_path / "model.onnx")


@pytest.mark.filterwarnings("ignore")  # of torch's exporter about itself
def test_exported_network_scores_like_the_run(inputs, run, tmp_path):
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    path = tmp_path / "model.onnx"
    assert export_onnx.export(run, path) <= 1e-4
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert json.loads(properties["classes"]) == list(CLASSES)
    assert properties["size"] == str(SIZE)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = np.load(inputs / "test.npy")
    [scores] = session.run(["probabilities"], {"pixels": pixels})
    wanted = np.load(run / "predictions.npz")["test"]
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-4)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["elsewhere", "model.onnx"]
