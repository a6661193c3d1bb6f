"""Images of one's own: what the tables say is what comes out, and mistakes are sentences."""

import numpy as np
import pytest
from spml.data.labels import load_labels, save_labels
from spml.datasets import table
from spml.datasets.reading import read_labels
from spml.observe import observe
from spml.plumbing.errors import UserError

TRAIN = "image,cat,dog,red car\na/1.jpg,1,0,0\na/2.png,0,1,1\n"
TEST = "image,cat,dog,red car\nb/1.jpg,0,0,1\n"


def folder(tmp_path, **tables: str):
    for name, text in ({"train": TRAIN, "test": TEST} | tables).items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_full_tables(tmp_path):
    labels = read_labels(table, folder(tmp_path), 448)
    assert labels.classes == ("cat", "dog", "red car")
    assert labels.train.paths() == ["a/1.jpg", "a/2.png"]
    assert labels.train.truth.tolist() == [[True, False, False], [False, True, True]]
    assert labels.train.annotated is None
    assert labels.train.validation == 0
    assert labels.test.truth.tolist() == [[False, False, True]]
    assert table.image_folder(tmp_path) == tmp_path


def test_empty_cells_are_not_annotated(tmp_path):
    path = folder(
        tmp_path, train="image,cat,dog\n1.jpg,1,\n2.jpg,,0\n", test="image,cat,dog\n3.jpg,0,1\n"
    )
    _, train = table.read_split(path, "train")
    assert train.truth.toarray().tolist() == [[True, False], [False, False]]
    assert train.annotated.toarray().tolist() == [[True, False], [False, True]]
    _, test = table.read_split(path, "test")
    assert test.annotated is None


def test_own_validation_rows_come_last(tmp_path):
    path = folder(tmp_path, validation="image,cat,dog,red car\nv.jpg,1,1,1\n")
    _, train = table.read_split(path, "train")
    assert train.validation == 1
    assert train.paths()[-1] == "v.jpg"
    np.testing.assert_array_equal(train.truth[-1], [True, True, True])


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ("", "the first column must be 'image'"),
        ('image,cat\n"1.jpg,1\n', r"train\.csv is not a table"),
        ("image,cat,dog\n1.jpg,1\n", r"train\.csv, line 2 has 2 cells; its header has 3"),
        ("image,cat,dog\n1.jpg,0,\n", r"train\.csv has no 1: nothing is present in any image"),
        ("path,cat\n1.jpg,1\n", r"train\.csv: the first column must be 'image' .* found 'path', 'cat'"),
        ("image\n1.jpg\n", "each other one a class"),
        ("image,cat\n", "has no rows"),
        ("image,cat\n1.jpg,1\n2.jpg,yes\n", r"train\.csv, line 3: cat is 'yes'; allowed: 1 \(present\)"),
        ("image,cat\n1.jpg,2\n", "line 2: cat is '2'"),
        ("image,cat\n1.jpg,1\n1.jpg,0\n", r"line 3: '1\.jpg' stands in an earlier line too"),
        ("image,cat\n../../etc/passwd,1\n", r"line 2: image is '\.\./\.\./etc/passwd'; a path below"),
        ("image,cat\n/etc/passwd,1\n", "line 2: image is '/etc/passwd'"),
        ("image,cat\n,1\n", "line 2: image is ''"),
        # One image, whichever way its path is written, and lines as an editor counts them.
        ("image,cat\n\nphotos/x,1\n\n./photos//x,0\n", r"line 5: 'photos/x' stands in an earlier"),
        ("image,cat\nphotos/./x,1\nphotos/x,0\n", r"line 3: 'photos/x' stands in an earlier"),
        ("image,cat\n\n\n1.jpg,2\n", "line 4: cat is '2'"),
        ("image;cat\n1.jpg;1\n", "separated by commas, not semicolons"),
        ("image,cat\nphotos\\x.jpg,1\n", r"line 2: .* folders are separated by /, not by"),
        ('image,cat\n"photos/x\n.jpg",1\n', r"line 3: image is 'photos/x\\n\.jpg'"),
        ("image,cat,cat\n1.jpg,1,0\n", "'cat' heads two columns"),
        ("image,cat,\n1.jpg,1,0\n", "column 3 has no name"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(tmp_path, train, sentence):
    with pytest.raises(UserError, match=sentence):
        table.read_split(folder(tmp_path, train=train), "train")


def test_tables_with_different_classes(tmp_path):
    path = folder(tmp_path, validation="image,cat\nv.jpg,1\n")
    with pytest.raises(UserError, match=r"validation\.csv and train\.csv have different columns"):
        table.read_split(path, "train")
    (path / "validation.csv").unlink()
    (path / "test.csv").write_text("image,dog,cat,red car\nb.jpg,0,0,1\n")
    with pytest.raises(UserError, match="the same classes in the same order"):
        read_labels(table, path, 448)


def test_image_in_both_train_and_validation(tmp_path):
    path = folder(tmp_path, validation="image,cat,dog,red car\na/1.jpg,1,1,1\n")
    with pytest.raises(UserError, match=r"'a/1\.jpg' is in train\.csv and in validation\.csv"):
        table.read_split(path, "train")


def test_missing_table(tmp_path):
    path = folder(tmp_path)
    (path / "test.csv").unlink()
    with pytest.raises(UserError, match=r"there is no \S+/test\.csv"):
        table.read_split(path, "test")


def test_image_to_train_and_to_test_on(tmp_path):
    path = folder(tmp_path, test="image,cat,dog,red car\na/2.png,0,0,1\n")
    with pytest.raises(UserError, match=r"'a/2\.png' is in train\.csv and in test\.csv"):
        table.read_split(path, "test")
    path = folder(tmp_path, validation=TEST)
    with pytest.raises(UserError, match=r"'b/1\.jpg' is in validation\.csv and in test\.csv"):
        table.read_split(path, "test")


@pytest.mark.parametrize("spelt", ["./photos/x", "photos//x", "photos/./x"])
def test_image_in_train_and_test_is_found_however_its_path_is_written(tmp_path, spelt):
    folder(tmp_path, train="image,cat\nphotos/x,1\n", test=f"image,cat\n{spelt},1\n")
    with pytest.raises(UserError, match=r"'photos/x' is in train\.csv and in test\.csv"):
        table.read_split(tmp_path, "test")


def test_numbers_as_pandas_writes_them_and_a_byte_order_mark(tmp_path):
    path = folder(tmp_path, train="\ufeffimage,cat,dog,red car\n1.jpg,1.0,0.0,\n")
    _, train = table.read_split(path, "train")
    assert train.truth.toarray().tolist() == [[True, False, False]]
    assert train.annotated.toarray().tolist() == [[True, True, False]]


# --- observed labels of one's own -----------------------------------------------------------------

HOW = {"validation_fraction": 0.2, "split_seed": 1}


def test_observed_labels_are_found_by_image_and_shown_as_they_are(tmp_path):
    """In another order than the truth; of validation images none is needed."""
    root = folder(
        tmp_path,
        validation="image,cat,dog,red car\nv.jpg,1,1,1\n",
        observed="image,cat,dog,red car\na/2.png,0,,1\na/1.jpg,,,\n",
    )
    save_labels(tmp_path / "labels.npz", read_labels(table, root, 448))
    split = load_labels(tmp_path / "labels.npz").train
    assert split.observed.dtype == np.int8
    found = observe(split.truth, own=split.observed, given=True, validation=1, **HOW)
    assert found.observed.tolist() == [[0, 0, 0], [-1, 0, 1], [0, 0, 0]]
    assert found.val.tolist() == [2]
    # Other observations draw from the truth, as ever.
    drawn = observe(split.truth, own=split.observed, positives=1, seed=1, validation=1, **HOW)
    assert (drawn.observed.sum(axis=1) == 1).all()


def test_observed_labels_beside_a_truth_with_gaps_are_sparse(tmp_path):
    root = folder(
        tmp_path,
        train="image,cat,dog\n1.jpg,1,\n2.jpg,,0\n",
        test="image,cat,dog\n3.jpg,0,1\n",
        observed="image,cat,dog\n1.jpg,1,\n2.jpg,,\n",
    )
    save_labels(tmp_path / "labels.npz", read_labels(table, root, 448))
    split = load_labels(tmp_path / "labels.npz").train
    assert split.observed.toarray().tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("observed", "sentence"),
    [
        ("image,cat,dog\na/1.jpg,1,0\n", r"observed\.csv and train\.csv have different columns"),
        ("image,cat,dog,red car\na/1.jpg,1,0,0\n", r"observed\.csv has no row of 'a/2\.png'"),
        ("image,cat,dog,red car\nb/1.jpg,1,0,0\n", "'b/1.jpg' is no training or validation image"),
        (
            "image,cat,dog,red car\na/1.jpg,0,,\na/2.png,,,1\n",
            "cat of 'a/1.jpg' is 0, but 1 in the",
        ),
        ("image,cat,dog,red car\na/1.jpg,1,0,-1\n", r"observed\.csv, line 2: red car is '-1'"),
    ],
)
def test_mistake_in_observed_labels_is_a_sentence(tmp_path, observed, sentence):
    root = folder(tmp_path, observed=observed)
    with pytest.raises(UserError, match=sentence):
        read_labels(table, root, 448)


def test_observation_of_given_labels_needs_some(tmp_path):
    split = read_labels(table, folder(tmp_path), 448).train
    assert split.observed is None
    with pytest.raises(UserError, match=r"given: true needs observed labels .* put observed\.csv"):
        observe(split.truth, given=True, **HOW)
