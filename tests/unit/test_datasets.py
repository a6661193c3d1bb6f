"""Each dataset's module, on small official trees that the test writes and on real annotation."""

import hashlib
import json
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from official_trees import COCO, write, write_cub, write_openimages, write_voc
from shared_data import shared
from spml.data.labels import load_labels, save_labels
from spml.datasets import coco2014, cub, nuswide, openimages, voc2012
from spml.datasets.export import export
from spml.datasets.reading import check_counts, counts, read_class_counts, read_labels
from spml.plumbing.errors import UserError

COCO_TRAIN = {  # sha256 of the arrays that the original code base's users committed
    "images": "43c17ccc2f87451021025ad1edb89ebc350e2e1c5ba328f003362e30d5dd16e8",
    "labels": "59a5c372ef54b246fc8facefc0f7df1236c059c6633f71cdb0db772f788b56e0",
    "labels_obs": "a54609c20150440879240c8d56355a570d7591b0641dd4ffc43238cc938b26ee",
}
# Images a class in the official statistics of VOC 2012, main task.
VOC_TRAIN = [
    "327",
    "268",
    "395",
    "260",
    "365",
    "213",
    "590",
    "539",
    "566",
    "151",
    "269",
    "632",
    "237",
    "265",
    "1994",
    "269",
    "171",
    "257",
    "273",
    "290",
]


# --------------------------------------------------------------------------------------------------
# VOC
# --------------------------------------------------------------------------------------------------


def test_voc_takes_difficult_for_absent_and_sorts_by_name(tmp_path):
    write_voc(tmp_path)
    classes, split = voc2012.read_split(tmp_path, "train")
    assert list(classes) == sorted(classes)
    assert len(classes) == 20
    # 000003 has nothing but a difficult object and is left out.
    assert split.images.tolist() == ["2008_000001.jpg", "2008_000002.jpg"]
    assert [classes[c] for c in np.flatnonzero(split.truth[0])] == ["person"]
    assert [classes[c] for c in np.flatnonzero(split.truth[1])] == ["dog"]
    assert len(split.boxes) == 0


def test_voc_boxes_are_those_of_present_classes_as_fractions(tmp_path):
    write_voc(tmp_path)
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>21</ymin><xmax>50</xmax>"
        f"<ymax>40</ymax></bndbox></object>"
        for name in ("person", "cat")
    )
    write(
        tmp_path / "VOCdevkit/VOC2012/Annotations/2008_000001.xml",
        f"<a><size><width>100</width><height>40</height></size>{objects}</a>",
    )
    write(
        tmp_path / "VOCdevkit/VOC2012/Annotations/2008_000002.xml",
        "<a><size><width>100</width><height>40</height></size></a>",
    )
    classes, split = voc2012.read_split(tmp_path, "train")
    expected = [[0, classes.index("person"), 0.0, 0.5, 0.5, 1.0]]
    np.testing.assert_allclose(split.boxes, expected)


def test_voc_lists_of_2012(tmp_path):
    with tarfile.open(shared("labels/voc2012_ImageSets_Main.tar.gz")) as archive:
        archive.extractall(tmp_path / "VOCdevkit", filter="data")
    labels = read_labels(voc2012, tmp_path, 448)
    assert labels.train.truth.sum(axis=0).tolist() == [int(count) for count in VOC_TRAIN]
    assert round(labels.train.truth.sum() / 5717, 4) == 1.4572
    assert round(labels.test.truth.sum() / 5823, 4) == 1.4341
    check_counts(
        labels,
        {"train": {"images": 5717}, "test": {"images": 5823}},
        read_class_counts("config/class_counts.tsv", "voc"),
    )


# --------------------------------------------------------------------------------------------------
# COCO
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
def test_coco_rows_classes_crowds_and_boxes(tmp_path, indent):
    write(tmp_path / "annotations/instances_val2014.json", json.dumps(COCO, indent=indent))
    classes, split = coco2014.read_split(tmp_path, "test")
    assert classes == ("toothbrush", "person")  # the order of the file
    # Sorted as text; image 25 has no annotation and is left out.
    assert split.images.tolist() == [
        "val2014/COCO_val2014_000000100012.jpg",
        "val2014/COCO_val2014_000000000009.jpg",
    ]
    assert split.truth.tolist() == [[False, True], [True, False]]
    np.testing.assert_allclose(
        split.boxes, [[1, 0, 0.1, 0.1, 0.4, 0.5], [0, 1, 0, 0, 1, 1], [1, 0, 0, 0, 1, 1]]
    )


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("document", [{}, {"a": []}, {"a": 1, "b": [[1], "x"], "c": {"d": [2]}}])
def test_lists_are_read_item_by_item(document, indent):
    """The same as parsing the whole document first."""
    expected = [(key, item) for key, v in document.items() if isinstance(v, list) for item in v]
    assert list(coco2014.iterate_items(json.dumps(document, indent=indent))) == expected


def test_reading_items_keeps_none_of_them_and_copies_no_text():
    """Or memory would grow with the number of items, or time with its square."""
    text = json.dumps({"annotations": [{"segmentation": [list(range(100))]}] * 1000})
    tracemalloc.start()
    try:
        assert sum(1 for _ in coco2014.iterate_items(text)) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(text) / 10


@pytest.mark.parametrize("text", ["", "{", '{"annotations": [', "[]", '{"annotations": []}'])
def test_broken_coco_annotation_is_a_sentence(tmp_path, text):
    write(tmp_path / "annotations/instances_train2014.json", text)
    with pytest.raises(UserError, match=r"instances_train2014\.json"):
        coco2014.read_split(tmp_path, "train")


def test_coco_arrays_of_the_original_code_base(tmp_path):
    with zipfile.ZipFile(shared("labels/coco2014_train_image_labels.zip")) as archive:
        archive.extractall(tmp_path / "raw")
    command = [sys.executable, "-m", "spml.datasets.export", "--dataset", "coco"]
    command += ["--raw", tmp_path / "raw", "--out", tmp_path / "out", "--split", "train"]
    subprocess.run(command, check=True, capture_output=True)
    for kind, expected in COCO_TRAIN.items():
        content = (tmp_path / "out" / f"formatted_train_{kind}.npy").read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, kind
    known = read_class_counts("config/class_counts.tsv", "coco")["train"]
    labels = np.load(tmp_path / "out" / "formatted_train_labels.npy")
    assert sum(known.values()) == labels.sum() == 241035
    assert sorted(known.values()) == sorted(labels.sum(axis=0))


# --------------------------------------------------------------------------------------------------
# CUB
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
def test_cub_ignores_certainty_and_superfluous_columns(tmp_path, nested):
    write_cub(tmp_path, nested)
    classes, train = cub.read_split(tmp_path, "train")
    _, test = cub.read_split(tmp_path, "test")
    assert classes == ("has_bill::a", "has_bill::b")
    assert train.images.tolist() == ["a/1.jpg", "b/3.jpg"]
    assert train.truth.tolist() == [[True, False], [True, True]]
    assert test.truth.tolist() == [[False, True]]
    assert (cub.image_folder(tmp_path) / "..").resolve().name == "CUB_200_2011"


def test_cub_with_a_missing_row_is_a_sentence(tmp_path):
    write_cub(tmp_path)
    path = tmp_path / "CUB_200_2011/attributes/image_attribute_labels.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(UserError, match="has 5 rows; 3 images x 2 attributes"):
        cub.read_split(tmp_path, "train")


def test_cub_arrays_hold_integers(tmp_path):
    write_cub(tmp_path)
    export("cub", tmp_path, tmp_path / "out", "val")
    for kind in ("labels", "labels_obs"):
        assert np.load(tmp_path / f"out/formatted_val_{kind}.npy").dtype == np.int64


# --------------------------------------------------------------------------------------------------
# NUS-WIDE
# --------------------------------------------------------------------------------------------------


def test_nus_reads_the_published_lists_and_keeps_empty_rows(tmp_path):
    labels = np.zeros((3, 81))
    labels[1, [4, 80]] = 1
    np.save(tmp_path / "formatted_val_labels.npy", labels)
    np.save(tmp_path / "formatted_val_images.npy", np.array(["a/1.jpg", "b/2.jpg", "c/3.jpg"]))
    classes, split = nuswide.read_split(tmp_path, "test")
    assert (len(classes), classes[4], classes[80]) == (81, "birds", "zebra")
    assert (split.truth == labels.astype(bool)).all()
    np.save(tmp_path / "formatted_val_labels.npy", labels[:2])
    with pytest.raises(UserError, match=r"shape \(2, 81\)"):
        nuswide.read_split(tmp_path, "test")


# --------------------------------------------------------------------------------------------------
# Open Images
# --------------------------------------------------------------------------------------------------


def test_openimages_knows_present_absent_and_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(openimages, "CHUNK", 2)
    write_openimages(tmp_path)
    labels = read_labels(openimages, tmp_path, 448)
    assert labels.classes == ("Dog (/m/b)", "Cat, wild", "Dog (/m/c)")
    assert labels.train.paths() == [
        "train/0000000000000001.jpg",
        "train/00000000000000ff.jpg",
        "validation/ffffffffffffffff.jpg",
    ]
    assert labels.train.validation == 1
    assert labels.train.truth.toarray().tolist() == [
        [False, True, False],
        [False, True, False],
        [False, False, True],
    ]
    assert labels.train.annotated.toarray().tolist() == [
        [False, True, False],
        [True, True, False],
        [False, False, True],
    ]
    assert counts(labels.train)["annotated"] == 4
    save_labels(tmp_path / "labels.npz", labels)
    loaded = load_labels(tmp_path / "labels.npz")
    for name in ("train", "test"):
        for matrix in ("truth", "annotated"):
            before, after = (getattr(getattr(x, name), matrix) for x in (labels, loaded))
            assert (before != after).nnz == 0
        assert getattr(loaded, name).validation == getattr(labels, name).validation
        assert getattr(loaded, name).paths() == getattr(labels, name).paths()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("00000000000000ff,verification,,1", "class nan, confidence 1.0"),  # was the last class
        ("00000000000000ff,verification,/m/a,0.9", "confidence 0.9"),  # was an absence
        ("00000000000000ff,verification,/m/a,", "confidence nan"),  # was an absence
        (",verification,/m/a,1", "image nan"),
    ],
)
def test_openimages_value_that_says_neither_present_nor_absent_is_refused(tmp_path, row, told):
    write_openimages(tmp_path)
    with (tmp_path / "2017_11/train/annotations-human.csv").open("a") as file:
        file.write(f"\n{row}\n")
    with pytest.raises(UserError, match=r"train/annotations-human\.csv, line 8: ") as refusal:
        openimages.read_split(tmp_path, "train")
    assert told in str(refusal.value)


def test_openimages_class_names_are_what_they_are(tmp_path):
    write_openimages(tmp_path)
    path = tmp_path / "2017_11/class-descriptions.csv"
    path.write_text(path.read_text().replace('"Cat, wild"', "NA"))
    classes, _ = openimages.read_split(tmp_path, "test")
    assert classes == ("Dog (/m/b)", "NA", "Dog (/m/c)")
    path.write_text(path.read_text() + "/m/a,Cat\n")
    with pytest.raises(UserError, match=r"class-descriptions\.csv describes the class /m/a twice"):
        openimages.read_split(tmp_path, "test")
    write(tmp_path / "2017_11/classes-trainable.txt", "/m/b\n/m/b\n")
    with pytest.raises(UserError, match=r"classes-trainable\.txt lists the class /m/b twice"):
        openimages.read_split(tmp_path, "test")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("attributes/image_attribute_labels.txt", "2 1 0 3", "2 1 4 3", r"line 4: is_present is 4"),
        ("attributes/image_attribute_labels.txt", "2 1 0 3 1.5 0", "2 1", r"line 4 has too few"),
        ("train_test_split.txt", "2 0", "2 2", r"line 2: the division is 2"),
    ],
)
def test_cub_value_that_is_neither_zero_nor_one_is_refused(tmp_path, file, old, new, told):
    """It counted as absent, or as an image of neither split."""
    write_cub(tmp_path)
    path = tmp_path / "CUB_200_2011" / file
    first, _, rest = path.read_text().replace(old, new).partition("\n")
    blank = "\n" * (file[0] == "a")
    path.write_text(f"{first}\n{blank}{rest}")
    with pytest.raises(UserError, match=told):
        cub.read_split(tmp_path, "train")


def test_voc_list_is_read_with_blank_lines_and_without_other_labels(tmp_path):
    write_voc(tmp_path)
    path = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main/dog_train.txt"
    expected = voc2012.read_split(tmp_path, "train")[1].truth
    path.write_text(f"\n{path.read_text()}\n\n")
    assert (voc2012.read_split(tmp_path, "train")[1].truth == expected).all()
    path.write_text(path.read_text() + "2008_000009 2\n")
    with pytest.raises(UserError, match=r"dog_train\.txt, line 7 is '2008_000009 2'"):
        voc2012.read_split(tmp_path, "train")


@pytest.mark.parametrize(
    "xml",
    [
        None,
        "<annotation>",
        "<annotation><size><width>0</width><height>9</height></size></annotation>",
        "<annotation><size><width>9</width><height>9</height></size>"
        "<object><name>unicorn</name></object></annotation>",
        "<annotation><size><width>9</width><height>9</height></size>"
        "<object><name>dog</name></object></annotation>",
    ],
)
def test_voc_labels_are_read_where_boxes_have_a_defect(tmp_path, capsys, xml):
    write_voc(tmp_path)
    expected = voc2012.read_split(tmp_path, "test")[1].truth
    folder = tmp_path / "VOCdevkit/VOC2012/Annotations"
    folder.mkdir()
    if xml is not None:
        (folder / "2008_000005.xml").write_text(xml)
    split = voc2012.read_split(tmp_path, "test")[1]
    assert (split.truth == expected).all()
    assert len(split.boxes) == 0
    assert f"left out of the boxes: {folder}/2008_000005.xml (" in capsys.readouterr().err


def changed_coco(tmp_path, change):
    document = json.loads(json.dumps(COCO))
    change(document)
    write(tmp_path / "annotations/instances_train2014.json", json.dumps(document))
    return coco2014.read_split(tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["annotations"][0].update(category_id=91), "has category 91"),
        (lambda d: d["annotations"][0].update(image_id="7"), "annotation of image '7'"),
        (lambda d: d["categories"].append(d["categories"][0]), "which no other has"),
        (lambda d: d["categories"][0].pop("name"), "and a name"),
    ],
)
def test_coco_annotation_that_belongs_to_nothing_is_a_sentence(tmp_path, change, told):
    with pytest.raises(UserError, match=r"instances_train2014\.json: ") as refusal:
        changed_coco(tmp_path, change)
    assert told in str(refusal.value)


def test_coco_labels_are_read_where_a_box_has_a_defect(tmp_path, capsys):
    _, whole = changed_coco(tmp_path, lambda d: None)
    boxed = next(n for n, each in enumerate(COCO["annotations"]) if each.get("bbox"))
    _, split = changed_coco(tmp_path, lambda d: d["annotations"][boxed].update(bbox=[1, 2]))
    assert (split.truth == whole.truth).all()
    assert len(split.boxes) == len(whole.boxes) - 1
    assert "left out of the boxes: [1, 2] in image" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------
# All
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [voc2012, coco2014, cub, nuswide, openimages])
def test_missing_tree_is_a_sentence(module, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        module.read_split(tmp_path, "train")


def test_boxes_are_scaled_to_the_packed_size(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / f"annotations/instances_{split}2014.json", json.dumps(COCO))
    labels = read_labels(coco2014, tmp_path, 448)
    np.testing.assert_allclose(labels.test.boxes[0], [1, 0, 44.8, 44.8, 179.2, 224.0])


def test_counts_that_differ_stop_with_both_numbers(tmp_path):
    write_cub(tmp_path)
    labels = read_labels(cub, tmp_path, 448)
    check_counts(labels, {"train": {"images": 2, "positives": 3}}, {})
    with pytest.raises(UserError, match="the train split has 2 images but 5994 are expected"):
        check_counts(labels, {"train": {"images": 5994}}, {})
    with pytest.raises(UserError, match="'has_bill::b' has 1 images in the test split but 7"):
        check_counts(labels, {}, {"test": {"has_bill::b": 7}})
