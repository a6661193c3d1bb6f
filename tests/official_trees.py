"""Small trees as the makers of the official datasets distribute them, without images."""

import json
from pathlib import Path

import numpy as np
from spml.datasets import voc2012


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_voc(root: Path) -> None:
    labels = {  # two classes matter here, dog and person; 0 is difficult
        "train": {"2008_000002": (1, 0), "2008_000001": (-1, 1), "2008_000003": (0, -1)},
        "val": {"2008_000005": (1, 1)},
    }
    for split, images in labels.items():
        for name in voc2012.CLASSES:
            column = {"dog": 0, "person": 1}.get(name)
            lines = [
                f"{image} {-1 if column is None else values[column]:2d}\n"
                for image, values in images.items()
            ]
            write(root / f"VOCdevkit/VOC2012/ImageSets/Main/{name}_{split}.txt", "".join(lines))


COCO = {
    "info": {"year": 2014, "nested": [1, [2]]},
    "images": [
        {"id": 9, "width": 200, "height": 100},
        {"id": 100012, "width": 10, "height": 10},
        {"id": 25, "width": 10, "height": 10},
    ],
    "annotations": [
        {"image_id": 9, "category_id": 90, "bbox": [20, 10, 60, 40], "iscrowd": 1},
        {"image_id": 100012, "category_id": 1, "bbox": [0, 0, 10, 10], "segmentation": [[1, 2]]},
        {"image_id": 9, "category_id": 90, "bbox": [0, 0, 200, 100]},
    ],
    "licenses": [],
    "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}],
}


def write_coco(root: Path) -> None:
    for split in ("train", "val"):
        write(root / f"annotations/instances_{split}2014.json", json.dumps(COCO))


def write_cub(root: Path, nested: bool = False) -> None:
    tree = root / "CUB_200_2011/CUB_200_2011" if nested else root / "CUB_200_2011"
    write(tree / "images.txt", "1 a/1.jpg\n2 b/2.jpg\n3 b/3.jpg\n")
    write(tree / "train_test_split.txt", "1 1\n2 0\n3 1\n")
    write(tree.parent / "attributes.txt", "1 has_bill::a\n2 has_bill::b\n")
    labels = [
        "1 1 1 4 0.5",
        "1 2 0 1 7.0",
        "2 1 0 3 1.5 0",
        "2 2 1 1 0.1",
        "3 1 1 2 9",
        "3 2 1 1 2",
    ]
    write(tree / "attributes/image_attribute_labels.txt", "\n".join(labels) + "\n")


def write_nus(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        np.save(root / f"formatted_{split}_labels.npy", np.eye(2, 81))
        np.save(root / f"formatted_{split}_images.npy", np.array([f"{split}/1.jpg", "b/2.jpg"]))


def write_openimages(root: Path) -> None:
    tree = root / "2017_11"
    write(tree / "classes-trainable.txt", "/m/b\n/m/a\n/m/c\n")
    write(tree / "class-descriptions.csv", '/m/a,"Cat, wild"\n/m/b,Dog\n/m/c,Dog\n/m/x,Other\n')
    rows = {
        "train": [
            "00000000000000ff,verification,/m/a,1",
            "00000000000000ff,verification,/m/b,0",
            "0000000000000001,verification,/m/a,0",
            "0000000000000001,crowdsource-verification,/m/a,1",  # present wins
            "0000000000000002,verification,/m/x,1",  # not trainable
        ],
        "validation": ["ffffffffffffffff,verification,/m/c,1"],
        "test": ["0000000000000005,verification,/m/c,0", "0000000000000005,verification,/m/b,1"],
    }
    for split, lines in rows.items():
        header = "ImageID,Source,LabelName,Confidence\n"
        write(tree / split / "annotations-human.csv", header + "\n".join(lines) + "\n")


# Of each dataset, what writes its tree, and images below it: the first of train, the others and one
# of test.
TREES = {
    "voc": (
        write_voc,
        [
            f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"
            for name in ("2008_000001", "2008_000002", "2008_000005")
        ],
    ),
    "coco": (
        write_coco,
        [
            f"{split}/COCO_{split}_{number:012d}.jpg"
            for split in ("train2014", "val2014")
            for number in (100012, 9)
        ],
    ),
    "cub": (write_cub, [f"CUB_200_2011/images/{name}.jpg" for name in ("a/1", "b/3", "b/2")]),
    "nus": (write_nus, [f"Flickr/{name}.jpg" for name in ("train/1", "b/2", "val/1")]),
    "openimages": (
        write_openimages,
        [
            f"images/{name}.jpg"
            for name in (
                "train/0000000000000001",
                "train/00000000000000ff",
                "validation/ffffffffffffffff",
                "test/0000000000000005",
            )
        ],
    ),
}
