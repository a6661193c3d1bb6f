"""Scores that were made elsewhere: what is taken, what is refused, and where they may stand."""

import ast
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from finished_runs import ROOT, configuration, write_results
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.metrics import average_precision_score
from spml import evaluate, export_observed, take_scores
from spml.data.labels import Labels, Split, load_labels, save_labels
from spml.data.observation import Observation, load_observation, save_observation
from spml.exhibits.command import given_phrase
from spml.planning.configuration import run_settings
from spml.planning.shown import OF_TRAININGS, exhibit_methods
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import labels_path, observed_path
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json
from test_configuration import merged, verdict


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(methods=("an",), seeds=(0,))
    config["methods"]["mine"] = {"title": "Ours", "scores": "x.npz"}
    write_results(config)
    return config


def command(module, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", [module.__name__, *map(str, arguments)])
    module.main()


def exported(monkeypatch):
    command(
        export_observed, monkeypatch, "--dataset", "alpha", "--protocol", "demo", "--output", "out"
    )
    with np.load("out/labels.npz") as arrays:
        return dict(arrays)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def shuffled(arrays, seed=0):
    """Random scores of validation and test images, in another order of images and classes."""
    random = np.random.default_rng(seed)
    images = random.permutation([*arrays["val_images"], *arrays["test_images"]])
    return images, arrays["classes"][::-1], random.random((len(images), len(arrays["classes"])))


def distinct_images():
    """The made-up splits share the names of their images, which no real dataset does."""
    labels = load_labels(labels_path("alpha"))
    test = Split(np.array([f"test/{name}" for name in labels.test.images]), labels.test.truth)
    save_labels(labels_path("alpha"), Labels(labels.classes, labels.train, test))


def take(config, path, monkeypatch, **changes):
    settings = {**run_settings(config, "alpha", "demo", "mine", 0), **changes}
    command(
        *(take_scores, monkeypatch, "--settings", json.dumps(settings), "--scores", path),
        *("--labels", labels_path("alpha"), "--output", "run"),
        *("--observed", observed_path("alpha", "demo", "single_positive")),
    )


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_scores_are_evaluated_by_the_names_of_images_and_classes(results, monkeypatch, suffix):
    distinct_images()
    arrays = exported(monkeypatch)
    images, classes, scores = shuffled(arrays)
    if suffix == "npz":
        np.savez("mine.npz", images=images, classes=classes, scores=scores)
    else:
        with open("mine.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerows([["image", *classes]])
            table.writerows([name, *row] for name, row in zip(images, scores, strict=True))
    take(results, f"mine.{suffix}", monkeypatch)
    command(
        *(evaluate, monkeypatch, "--predictions", "run/predictions.npz"),
        *("--history", "run/history.jsonl", "--checksums", "run/run.sha256"),
        *("--labels", labels_path("alpha"), "--selection", "clean", "--output", "run/metrics.json"),
        *("--observed", observed_path("alpha", "demo", "single_positive")),
    )
    metrics = read_json("run/metrics.json")
    place = {name: row for row, name in enumerate(images)}
    for split in ("val", "test"):
        own = scores[[place[name] for name in arrays[f"{split}_images"]]][:, ::-1]
        truth = arrays[f"{split}_truth"] == 1
        expected = [average_precision_score(truth[:, c], own[:, c]) for c in range(len(classes))]
        assert metrics[split]["ap"] == pytest.approx(100 * np.array(expected))
    assert metrics["selected_epoch"] == 1
    assert read_json("run/run.json")["settings"]["loss"] is None


def test_logits_become_probabilities(results, monkeypatch):
    distinct_images()
    images, classes, scores = shuffled(exported(monkeypatch))
    logits = 30 * (scores - 0.5)
    np.savez("mine.npz", images=images, classes=classes, scores=logits)
    with pytest.raises(UserError, match=r"no numbers from 0 to 1, the first .*say logits: true"):
        take(results, "mine.npz", monkeypatch)
    assert not Path("run").exists()
    take(results, "mine.npz", monkeypatch, scores={"logits": True})
    with np.load("run/predictions.npz") as found:
        assert np.sort(found["test"], axis=None).max() < 1
        everything = np.concatenate([found["val"], found["test"]])
    np.testing.assert_allclose(np.sort(everything, axis=None), np.sort(expit(logits), axis=None))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.update(images=s["images"][1:], scores=s["scores"][1:]), "has no scores of im"),
        (lambda s: s.update(classes=np.array(["cat", "dog & co", "fish"])), "'fish' is none of"),
        (
            lambda s: s.update(classes=s["classes"][:2], scores=s["scores"][:, :2]),
            "scores of class",
        ),
        (lambda s: s.update(images=np.repeat(s["images"][:1], len(s["images"]))), "there twice"),
        (lambda s: s["scores"].__setitem__((3, 1), np.nan), "1 scores are no numbers from 0 to 1"),
        (lambda s: s.update(scores=s["scores"][:-1]), "but there are 70 images and 3 classes"),
        (lambda s: s.update(scores=np.ones((70, 3), int)), "floating-point numbers are expected"),
        (lambda s: s.pop("images"), "has no array images; it needs images"),
    ],
)
def test_what_is_wrong_with_scores_is_a_sentence(results, monkeypatch, change, sentence):
    distinct_images()
    images, classes, scores = shuffled(exported(monkeypatch))
    given = {"images": images, "classes": classes, "scores": scores}
    change(given)
    np.savez("mine.npz", **given)
    with pytest.raises(UserError, match=sentence) as error:
        take(results, "mine.npz", monkeypatch)
    assert str(error.value).startswith("mine.npz")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("mine.npz", b"PK\x03\x04", "cannot be read as .npz"),
        ("mine.csv", b"picture,cat\n", "the first column must be 'image'"),
        ("mine.csv", b"image,cat\na,0.5,1\n", "row 2 has 3 cells; its header has 2"),
        ("mine.csv", b"image,cat\na,high\n", "is not a table of scores"),
        ("mine.csv", b"", "the first column must be 'image'"),
        ("mine.txt", b"", "scores are read from .npz and .csv"),
    ],
)
def test_file_that_holds_no_scores_is_a_sentence(results, monkeypatch, name, content, sentence):
    Path(name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        take(results, name, monkeypatch)


def test_export_has_what_training_sees_and_all_that_is_known_of_the_rest(results, monkeypatch):
    arrays = exported(monkeypatch)
    labels = load_labels(labels_path("alpha"))
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    assert (arrays["train_observed"] == observation.observed[observation.train]).all()
    assert (arrays["val_truth"] == np.where(labels.train.truth[observation.val], 1, -1)).all()
    rows = read_csv("out/train.csv")
    assert rows[0] == ["image", *labels.classes]
    cells = {"1": 1, "0": -1, "": 0}
    read = np.array([[cells[cell] for cell in row[1:]] for row in rows[1:]])
    assert (read == arrays["train_observed"]).all()
    assert [row[0] for row in rows[1:]] == arrays["train_images"].tolist()
    assert len(read_csv("out/test.csv")) == 1 + len(labels.test.images)


def test_export_of_partial_annotation_leaves_open_what_nobody_looked_at(tmp_path):
    truth = np.array([[True, False], [False, True], [True, True]])
    annotated = np.array([[True, False], [True, True], [True, True]])
    names = np.array(["a", "b", "c"])
    split = Split(names, csr_array(truth), annotated=csr_array(annotated))
    save_labels(tmp_path / "labels.npz", Labels(("x", "y"), split, split))
    signs = csr_array(np.where(annotated, np.where(truth, 1, -1), 0).astype(np.int8))
    observation = Observation(np.array([1, 2]), np.array([0]), signs)
    save_observation(tmp_path / "observed.npz", observation)
    export_observed.export(tmp_path / "labels.npz", tmp_path / "observed.npz", tmp_path / "out")
    assert (tmp_path / "out/validation.csv").read_text() == "image,x,y\na,1,\n"
    assert (tmp_path / "out/train.csv").read_text() == "image,x,y\nb,0,1\nc,1,1\n"


def test_export_says_how_to_make_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"labels/alpha\.npz is not there; make it with: snakemake"):
        exported(monkeypatch)


# --- where they may stand -------------------------------------------------------------------------


@pytest.fixture
def config():
    config = merged()
    config["methods"]["mine"] = {"title": "Ours", "scores": "s/{dataset}/{seed}.npz"}
    config["select"]["methods"].append("mine")
    return config


def test_every_exhibit_that_reads_more_than_scores_is_listed():
    """By the words in the table of rules that stand for files which only trainings leave."""
    text = (ROOT / "workflow/rules/exhibits.smk").read_text()
    table = ast.literal_eval(text[text.index("{") : text.index("\n}\n") + 2])
    more = {*("records", "histories", "traces", "entries", "modified", "pointing", "search")}
    assert {name for name, reads in table.items() if more & set(reads)} == OF_TRAININGS


def test_given_scores_stand_where_scores_are_enough_and_nowhere_else(config):
    assert verdict(config) == ""
    shown = [
        name for name in config["select"]["exhibits"] if "mine" in exhibit_methods(config, name)
    ]
    assert "gr_main_table" in shown
    assert "gr_separation_table" in shown
    assert not set(shown) & OF_TRAININGS
    table = exhibit_settings(config, "gr_main_table")
    assert {"name": "mine", "title": "Ours †"} in table["methods"]
    assert given_phrase(table).endswith("scores that were made elsewhere: Ours †.")
    curves = exhibit_settings(config, "extra_learning_curves")
    assert given_phrase(curves) == " Left out, since there are scores of it alone: Ours †."
    assert "Ours †" in exhibit_settings(config, "extra_significance")["given"]
    assert given_phrase(exhibit_settings(config, "gr_ablation")) == ""


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ({"loss": "an"}, "methods.mine.loss cannot stand beside scores"),
        ({"training": {"epochs": 1}}, "methods.mine.training cannot stand beside scores"),
        ({"scores": "s/{dataset}/a.npz"}, "for seeds 0, 1, 2 alike; name {seed} in it, or select"),
        ({"scores": "s/{fold}{seed}.npz"}, "names {fold}; allowed: {dataset}, {protocol} and {s"),
        ({"scores": "s/{seed.npz"}, "whose braces do not close"),
        ({"scores": "s/{seed}.pt"}, "is 's/{seed}.pt'; scores are read from .npz and .csv"),
        ({"observation": "nothing"}, "methods.mine.observation is 'nothing'; allowed: "),
    ],
)
def test_method_that_is_not_trained_here_says_nothing_of_training(config, method, sentence):
    config["methods"]["mine"] |= method
    assert sentence in verdict(config)


def test_exhibit_of_trainings_refuses_scores_that_it_is_told_to_show(config):
    config["exhibits"]["ll_pointing_game"]["methods"].append("mine")
    assert "ll_pointing_game.methods has mine, of which there are scores alone" in verdict(config)


def test_logits_are_of_scores_and_a_prior_of_a_training(config):
    config["methods"]["an"]["logits"] = True
    assert "methods.an.logits is of scores that are given" in verdict(config)
    del config["methods"]["an"]["logits"]
    config["methods"]["p_asl_selective_prior"]["prior_from"] = "mine"
    assert "is 'mine', which is not trained here and finds no prior" in verdict(config)
