"""Class activation maps and the pointing game, against maps and boxes that are known."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from spml import localise
from spml.data.labels import Labels, Split, save_labels
from spml.data.packed import save_packed
from spml.localise import activation_maps, find_hits, load_run, peak_cells, play
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json
from spml.training.models import Classifier, LinearHead, build_classifier
from torch.nn.functional import interpolate

PLAIN = {"mean": [0.0], "deviation": [1.0 / 255.0], "device": torch.device("cpu")}


class Blocks(torch.nn.Module):
    """A backbone whose maps are known: means over blocks of 4 x 4, and their negatives."""

    def forward(self, images):
        means = torch.nn.functional.avg_pool2d(images, 4)
        return torch.cat([means, -means], dim=1)


def known_classifier() -> Classifier:
    """Class 0 follows the brightest block, class 1 the darkest; class 2 is level."""
    head = LinearHead(2, 3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    return Classifier(Blocks(), head).eval()


@pytest.mark.parametrize("architecture", ["digit_network", "resnet18"])
def test_mean_of_a_map_and_the_bias_is_the_logit(architecture):
    torch.manual_seed(0)
    classifier = build_classifier(architecture, 5).eval()
    channels, size = (1, 24) if architecture == "digit_network" else (3, 96)
    images = torch.randn(4, channels, size, size)
    with torch.no_grad():
        maps = activation_maps(classifier.backbone(images), classifier.head)
        logits = classifier(images)
    assert maps.shape[:2] == (4, 5)
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + classifier.head.bias, logits)


def test_interpolated_map_is_highest_at_the_centre_of_its_highest_cell():
    """An odd factor has a pixel at each centre, so the sampled map shows it."""
    maps = torch.rand(50, 1, 6, 5, generator=torch.Generator().manual_seed(1))
    large = interpolate(maps, scale_factor=7, mode="bilinear", align_corners=False)
    row, column = np.divmod(maps.flatten(1).argmax(dim=1).numpy(), 5)
    highest = large[np.arange(50), 0, 7 * row + 3, 7 * column + 3]
    torch.testing.assert_close(highest, large.amax(dim=(1, 2, 3)))


def test_peaks_are_those_of_the_maps_whatever_the_batches(monkeypatch):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (30, 16, 12, 1)).astype(np.uint8)
    rows = np.sort(draw.integers(0, 30, 40))
    columns = draw.integers(0, 2, 40)
    means = images[..., 0].reshape(30, 4, 4, 3, 4).mean(axis=(2, 4))
    expected = [
        np.unravel_index((means[row] * (1, -1)[column]).argmax(), (4, 3))
        for row, column in zip(rows, columns, strict=True)
    ]
    for batch_size in (1, 7, 64):
        monkeypatch.setattr("spml.localise.BATCH_SIZE", batch_size)
        cells, size = peak_cells(known_classifier(), images, rows, columns, **PLAIN)
        assert size == (4, 3)
        assert cells.tolist() == [list(map(int, cell)) for cell in expected]


def test_edges_of_a_box_belong_to_it_and_nothing_beyond_does():
    points = np.array([[2.0, 2.0], [6.0, 6.0], [6.01, 4.0], [1.99, 4.0], [4.0, 6.01]])
    boxes = np.tile([2.0, 2.0, 6.0, 6.0], (5, 1))
    assert find_hits(points, np.arange(5), boxes).tolist() == [True, True, False, False, False]


def test_a_point_hits_in_any_box_of_its_own_pair_alone():
    points = np.array([[1.0, 1.0], [1.0, 1.0]])
    boxes = np.array([[0, 0, 2, 2], [5, 5, 6, 6], [5, 5, 6, 6]], dtype=np.float32)
    assert find_hits(points, np.array([0, 0, 1]), boxes).tolist() == [True, False]
    assert find_hits(points, np.zeros(0, int), np.zeros((0, 4))).tolist() == [False, False]


@pytest.fixture
def game():
    """Two pictures of 16 x 16 with one bright and one dark block of 4 x 4 each."""
    images = np.full((3, 16, 16, 1), 100, dtype=np.uint8)
    images[0, 4:8, 8:12] = 200  # bright; centre (10, 6)
    images[0, 12:16, 0:4] = 10  # dark; centre (2, 14)
    images[1, 0:4, 0:4] = 200  # bright at the corner; centre (2, 2)
    truth = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]], dtype=bool)
    boxes = np.array(
        [
            (0, 0, 9, 5, 11, 7),  # around the bright block: a hit
            (0, 0, 0, 0, 1, 1),  # another object of the same class: still one pair
            (0, 1, 4, 12, 8, 16),  # beside the dark block: no hit
            (1, 0, 2, 2, 8, 8),  # its corner is the centre of the bright block: a hit
            (1, 1, 0, 0, 16, 16),  # of a class that is not present: no pair
        ],
        dtype=np.float32,
    )
    return images, Split(np.array(["a", "b", "c"]), truth, boxes)


def test_hits_and_pairs_are_counted_by_class(game):
    result = play(known_classifier(), *game, **PLAIN)
    assert result == {
        "hits": 2,
        "pairs": 3,
        "accuracy": pytest.approx(200 / 3),
        "class_mean": pytest.approx(50.0),
        "class_hits": [2, 0, 0],
        "class_pairs": [2, 1, 0],
        "class_accuracy": [100.0, 0.0, None],
        "image_hits": [1, 1, 0],
        "image_pairs": [2, 1, 0],
    }


def test_pointing_game_equals_a_loop_over_pairs_and_boxes():
    draw = np.random.default_rng(3)
    images = draw.integers(0, 256, (20, 16, 16, 1)).astype(np.uint8)
    truth = draw.random((20, 3)) < 0.6
    corners = np.sort(draw.random((80, 2, 2)) * 16, axis=1).reshape(80, 4)
    boxes = np.column_stack([draw.integers(0, 20, 80), draw.integers(0, 3, 80), corners])
    split = Split(np.arange(20).astype(str), truth, boxes.astype(np.float32))
    result = play(known_classifier(), images, split, **PLAIN)
    means = images[..., 0].reshape(20, 4, 4, 4, 4).mean(axis=(2, 4))
    hits: dict[tuple[int, int], bool] = {}
    for row, column, left, top, right, bottom in boxes:
        row, column = int(row), int(column)
        if not truth[row, column]:
            continue
        down, across = np.unravel_index((means[row] * (1, -1, 0)[column]).argmax(), (4, 4))
        x, y = 4 * across + 2, 4 * down + 2
        inside = left <= x <= right and top <= y <= bottom
        hits[row, column] = hits.get((row, column), False) or inside
    assert (result["hits"], result["pairs"]) == (sum(hits.values()), len(hits))
    of_image = [[hit for (row, _), hit in hits.items() if row == image] for image in range(20)]
    assert result["image_hits"] == [sum(found) for found in of_image]
    assert result["image_pairs"] == [len(found) for found in of_image]


# --- the command ----------------------------------------------------------------------------------


def settings_of(head: str = "linear") -> dict:
    return {
        "architecture": "digit_network",
        "head": head,
        "images": {"mean": [0.4], "deviation": [0.3], "flip": False},
        "device": "cpu",
        "threads": 1,
    }


def command(folder, boxes) -> list[str]:
    truth = np.eye(4, dtype=bool)
    split = Split(np.array(list("abcd")), truth, np.array(boxes, np.float32).reshape(-1, 6))
    save_labels(folder / "labels.npz", Labels(tuple("wxyz"), split, split))
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype(np.uint8)
    save_packed(folder / "manifest.json", {"train": images, "test": images})
    torch.manual_seed(0)
    torch.save(build_classifier("digit_network", 4).state_dict(), folder / "weights.pt")
    return [
        *(sys.executable, "-m", "spml.localise", "--settings", json.dumps(settings_of())),
        *("--weights", str(folder / "weights.pt"), "--labels", str(folder / "labels.npz")),
        *("--images", str(folder / "manifest.json"), "--output", str(folder / "pointing.json")),
    ]


def test_command_writes_hits_and_pairs(tmp_path):
    boxes = [(row, row, 0, 0, 16, 16) for row in range(4)]
    done = subprocess.run(command(tmp_path, boxes), capture_output=True, text=True, check=True)
    assert done.stdout == "4 of 4 points within a box: 100.0 %\n"
    assert read_json(tmp_path / "pointing.json")["class_accuracy"] == [100.0] * 4


def test_maps_are_computed_in_exact_float32(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", command(tmp_path, [(0, 0, 0, 0, 16, 16)])[2:])
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    localise.main()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_dataset_without_boxes_is_refused_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", command(tmp_path, [])[2:])
    with pytest.raises(UserError, match=r"labels\.npz holds no boxes of test images"):
        localise.main()
    assert not (tmp_path / "pointing.json").exists()


def test_other_heads_and_broken_weights_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(UserError, match="this run has the head 'boostlu'; leave its method out"):
        load_run(settings_of("boostlu"), 4, tmp_path / "weights.pt")
    (tmp_path / "weights.pt").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"weights\.pt cannot be read .* it is made anew"):
        load_run(settings_of(), 4, tmp_path / "weights.pt")
