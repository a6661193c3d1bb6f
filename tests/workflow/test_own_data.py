"""A dataset of one's own from two tables and a folder of images, as the user's guide has it."""

import json

import numpy as np
import torch
import yaml
from checkouts import Checkout
from PIL import Image
from spml.data.labels import load_labels
from torchvision.models import resnet18

CLASSES = ("red", "green", "blue")
RUN = "results/runs/photos/gr/an/seed0/metrics.json"


def write_images(folder):
    """Images whose channels are bright where their class is present; some cells are empty."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for split, count in (("train", 30), ("test", 12)):
        lines = [f"image,{','.join(CLASSES)}"]
        for number in range(count):
            present = random.random(3) < 0.5
            present[number % 3] = True
            pixels = random.integers(0, 60, (20, 30, 3)) + 180 * present
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{split}{number}.png")
            cells = [str(int(value)) for value in present]
            if split == "train" and number == 4:
                cells[0] = ""
            lines.append(f"{split}{number}.png,{','.join(cells)}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def make_checkout(pristine, folder, *targets, **source) -> Checkout:
    """A checkout with a dataset of one's own; ``source`` is what differs in how it is read."""
    photos = folder / "photos"
    write_images(photos)
    torch.manual_seed(0)
    torch.save(resnet18(weights=None).state_dict(), photos / "resnet18.pt")
    configuration = {
        "data": {"photos": {"path": str(photos)}},
        "datasets": {
            "photos": {
                "title": "Photos",
                "source": {"module": "table", "size": 32, "pack": "memory_map", **source},
                "images": {"mean": [0.5] * 3, "deviation": [0.2] * 3, "flip": True},
                "backbone": {"architecture": "resnet18", "weights": str(photos / "resnet18.pt")},
            }
        },
        "protocols": {"gr": {"only": ["photos"], "training": {"epochs": 1}}},
        "select": {
            "datasets": ["photos"],
            "protocols": ["gr"],
            "methods": ["an"],
            "seeds": [0],
            "exhibits": ["gr_class_counts", "extra_learning_curves"],
        },
    }
    copy = pristine.copy(folder / "checkout")
    (copy.path / "photos.yaml").write_text(yaml.safe_dump(configuration))
    return Checkout(copy.path, ("--configfile", "photos.yaml", "--", *targets))


def test_own_tables_give_a_run_and_are_read_again_when_they_are_edited(pristine, tmp_path):
    checkout, photos = (
        make_checkout(pristine, tmp_path, RUN, "gr_class_counts"),
        tmp_path / "photos",
    )
    checkout.snakemake()

    metrics = json.loads((checkout.path / RUN).read_text())
    assert len(metrics["test"]["ap"]) == len(CLASSES)
    # Too few classes for the groups that the OpenImages table has.
    assert "group_map" not in metrics["test"]
    labels = load_labels(checkout.path / "results/labels/photos.npz")
    assert labels.train.annotated.sum() == 30 * 3 - 1
    counts = (checkout.path / "results/exhibits/gr/class_counts.csv").read_text().splitlines()
    totals = {line.split(",")[2]: int(line.split(",")[5]) for line in counts[1:]}
    assert set(totals) == set(CLASSES)

    edited = (photos / "train.csv").read_text().replace("train4.png,,", "train4.png,1,")
    (photos / "train.csv").write_text(edited)
    assert {"format/photos", f"train/{RUN.split('/', 2)[2].rpartition('/')[0]}"} <= (
        checkout.planned()
    )


def test_pictures_decoded_as_they_are_read_give_the_same_run_with_any_cores(pristine, tmp_path):
    """More cores are more threads that decode, of this job and beside it."""
    target = RUN.replace("metrics.json", "predictions.npz")
    checkout = make_checkout(pristine, tmp_path, target, pack="on_the_fly")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "photos/train0.png"
    with Image.open(photo) as image:
        image.save(photo, exif=exif)
    scores = []
    for cores in ("1", "2"):
        checkout.snakemake("--cores", cores, "--forcerun", "train")
        scores.append((checkout.path / target).read_bytes())
    assert scores[0] == scores[1]
    assert not list((checkout.path / "data/packed").rglob("*.npy"))
