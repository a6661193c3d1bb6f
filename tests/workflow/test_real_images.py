"""The workflow on 256 real photographs of COCO: from a web server's archives to the table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from shared_data import shared
from sklearn.linear_model import LogisticRegression
from spml.data.decode import decode_image
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.data.packed import load_packed
from spml.exhibits.markdown import parse_tables
from spml.measures.metrics import average_precision
from web_server import serve

CONFIGURATION = ("--configfile", "tests/workflow/mini_coco.yaml", "roots.yaml")
COUNTS = "counts.tsv"
METHODS = ("bce_longer", "an")
TABLE = "results/exhibits/gr/main_table.md"
RUNS = [f"results/runs/mini_coco/mini/{method}/seed0/metrics.json" for method in METHODS]


def metrics_are_there_and_the_server_was_asked_once_a_file(checkout, answers):
    for path in RUNS:
        metrics = json.loads((checkout.path / path).read_text())
        assert len(metrics["test"]["ap"]) == 80
        assert metrics["test"]["map"] > 0
    # The first address of the training archive does not exist; its mirror does.
    statuses = {path: status for path, status, _ in answers}
    assert statuses.pop("/zips/missing/train2014.zip") == 404
    assert set(statuses.values()) == {200}
    assert len(answers) == 5


def packing_is_repeated_without_the_server(checkout):
    manifest = checkout.path / "data/packed/mini_coco/manifest.json"
    before = manifest.read_bytes()
    manifest.unlink()
    checkout.snakemake("data/packed/mini_coco/manifest.json")
    assert manifest.read_bytes() == before


def labels_and_observation_are_right(checkout):
    labels = load_labels(checkout.path / "results/labels/mini_coco.npz")
    # Two of the 128 training photographs have no annotation.
    assert (len(labels.train.images), len(labels.test.images)) == (126, 128)
    assert labels.test.truth.sum() == 373
    assert len(labels.test.boxes) == 898
    assert labels.test.boxes[:, 2:].max() <= 160.5
    observed = load_observation(
        checkout.path / "results/observed/mini_coco/mini/single_positive_part.npz"
    )
    assert len(observed.val) == 25
    assert len(observed.train) == 25  # of 101
    assert (observed.observed.sum(axis=1) == 1).all()


def packed_pixels_are_those_of_the_photographs(checkout):
    labels = load_labels(checkout.path / "results/labels/mini_coco.npz")
    packed = load_packed(checkout.path / "data/packed/mini_coco/manifest.json")
    assert packed.train.shape == (126, 160, 160, 3)
    for row in range(0, 128, 9):
        path = checkout.path / "data/tree/mini_coco" / labels.test.paths()[row]
        assert (packed.test[row] == decode_image(path, 160)).all()


def another_mirror_or_another_known_count_makes_nothing_anew(checkout):
    """Else the images would be had again, and every run be made again, for the same bytes."""
    before = (checkout.path / "roots.yaml").read_text()
    other = json.loads(before)
    other["download"]["roots"]["mini"] = "https://localhost"
    other["datasets"]["mini_coco"]["source"]["expected"] = {"train": {"images": 126, "classes": 80}}
    (checkout.path / "roots.yaml").write_text(json.dumps(other))
    with (checkout.path / COUNTS).open("a") as table:
        table.write("others\ttrain\tcat\t7\n")
    assert "Nothing to be done" in checkout.ask("-n", TABLE)
    (checkout.path / "roots.yaml").write_text(before)


def own_copy_of_the_data_needs_no_download(checkout):
    roots = json.loads((checkout.path / "roots.yaml").read_text())
    data = {"mini_coco": {"path": str(checkout.path / "data/tree/mini_coco")}}
    (checkout.path / "roots.yaml").write_text(json.dumps(roots | {"data": data}))
    planned = checkout.ask("-n", "--forceall", "data/packed/mini_coco/manifest.json")
    assert "Pack the images of mini_coco" in planned
    assert "Download" not in planned


def exported_arrays_are_those_of_the_labels(checkout):
    """The original code base's files, for the selected dataset."""
    checkout.snakemake("export_reference_arrays")
    labels = load_labels(checkout.path / "results/labels/mini_coco.npz")
    folder = checkout.path / "results/export/mini_coco"
    for name, split in (("train", labels.train), ("val", labels.test)):
        arrays = {
            kind: np.load(folder / f"formatted_{name}_{kind}.npy")
            for kind in ("images", "labels", "labels_obs")
        }
        assert arrays["images"].tolist() == split.paths()
        assert (arrays["labels"] == split.truth).all()
        assert (arrays["labels_obs"].sum(axis=1) == 1).all()
        assert arrays["labels"][arrays["labels_obs"] == 1].all()


def frozen_features_beat_the_base_rate(checkout):
    """With full labels; shuffled rows of labels give the base rate."""
    labels = load_labels(checkout.path / "results/labels/mini_coco.npz")
    train, test = (
        np.load(checkout.path / f"results/features/mini_coco/{split}.npy")
        for split in ("train", "test")
    )
    assert (train.shape, test.shape) == ((126, 1280), (128, 1280))
    columns = [
        c
        for c in range(80)
        if labels.train.truth[:, c].sum() >= 5 and labels.test.truth[:, c].sum() >= 5
    ]
    assert len(columns) >= 10
    truth = labels.test.truth[:, columns]

    def precision(rows: np.ndarray) -> float:
        scores = [
            LogisticRegression(C=0.01, max_iter=200)
            .fit(train, labels.train.truth[rows, column])
            .decision_function(test)
            for column in columns
        ]
        return float(average_precision(np.stack(scores, axis=1), truth).mean())

    base_rate = truth.mean()
    lined_up = precision(np.arange(len(train)))
    shuffled = precision(np.random.default_rng(0).permutation(len(train)))
    assert lined_up > 0.35
    assert lined_up > 3 * base_rate
    assert shuffled < 2 * base_rate


def fine_tuning_learns_what_the_photographs_show(checkout):
    """The loss falls, scores depend on the picture, and rank better than any shuffle of the truth.

    A network whose batch norm was folded away trains without an error and fails all three.
    """
    run = Path("results/runs/mini_coco/mini/bce_longer/seed0")
    lines = (checkout.path / run / "history.jsonl").read_text().splitlines()
    costs = [json.loads(line)["loss"] for line in lines]
    assert costs[-1] < 0.6 * costs[0]
    scores = np.load(checkout.path / run / "predictions.npz")["test"]
    truth = load_labels(checkout.path / "results/labels/mini_coco.npz").test.truth
    columns = truth.sum(axis=0) >= 5
    spread = scores[:, columns].std(axis=0) / scores[:, columns].mean(axis=0)
    assert spread.min() > 0.05
    random = np.random.default_rng(0)
    found = average_precision(scores[:, columns], truth[:, columns]).mean()
    by_chance = [
        average_precision(scores[:, columns], random.permutation(truth[:, columns])).mean()
        for _ in range(200)
    ]
    assert found > max(by_chance)


def heads_on_frozen_features_learn_more_from_all_labels_than_from_one(checkout):
    """By three seeds; what one seed says of a hundred photographs is chance."""
    runs = "results/runs/mini_coco/linear_mini/{method}/seed{seed}/metrics.json"
    paths = {
        method: [runs.format(method=method, seed=seed) for seed in range(3)]
        for method in ("bce", "an")
    }
    checkout.snakemake(*paths["bce"], *paths["an"])
    mean = {
        method: np.mean(
            [json.loads((checkout.path / path).read_text())["test"]["map"] for path in files]
        )
        for method, files in paths.items()
    }
    assert mean["bce"] > mean["an"] + 1
    assert "Nothing to be done" in checkout.ask("-n", *paths["bce"])


def table_shows_the_runs(checkout):
    """One run a method: the mAP of its metrics.json, to one decimal."""
    [shown] = parse_tables((checkout.path / TABLE).read_text())
    for path, title, cells in zip(RUNS, ("Full labels, longer", "AN"), shown.rows, strict=True):
        metrics = json.loads((checkout.path / path).read_text())
        assert cells[0] == title
        assert cells[1] == f"{metrics['test']['map']:.1f}"


def test_from_archives_to_the_table(pristine, tmp_path):
    """One test, since all of it looks at the same runs."""
    mirror, weights = shared("mini_coco_mirror"), shared("weights")
    checkout = replace(pristine.copy(tmp_path / "checkout"), configuration=CONFIGURATION)
    (tmp_path / "server").mkdir()
    folders = {name: mirror / name for name in ("zips", "annotations")} | {"weights": weights}
    with serve(folders, tmp_path / "server") as server:
        roots = {
            "download": {"roots": {"mini": server.address}},
            "datasets": {"mini_coco": {"source": {"class_counts": COUNTS}}},
        }
        (checkout.path / COUNTS).write_text("dataset\tsplit\tclass\timages\n")
        (checkout.path / "roots.yaml").write_text(json.dumps(roots))
        checkout.snakemake(TABLE)
        answers = server.answers()
    metrics_are_there_and_the_server_was_asked_once_a_file(checkout, answers)
    table_shows_the_runs(checkout)
    assert "Nothing to be done" in checkout.ask("-n", TABLE)
    another_mirror_or_another_known_count_makes_nothing_anew(checkout)
    labels_and_observation_are_right(checkout)
    packed_pixels_are_those_of_the_photographs(checkout)
    exported_arrays_are_those_of_the_labels(checkout)
    heads_on_frozen_features_learn_more_from_all_labels_than_from_one(checkout)
    frozen_features_beat_the_base_rate(checkout)
    fine_tuning_learns_what_the_photographs_show(checkout)
    packing_is_repeated_without_the_server(checkout)
    own_copy_of_the_data_needs_no_download(checkout)
