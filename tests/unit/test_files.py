import errno
import json
import os

import numpy as np
import pytest
from spml.data.packed import load_packed, save_packed
from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path, read_json, read_json_lines, write_json, write_text


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_appears_with_ordinary_permissions(tmp_path):
    write_text(tmp_path / "folder" / "a.txt", "text")
    (tmp_path / "b.txt").write_text("text")
    assert (tmp_path / "folder" / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"map": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def packed(tmp_path):
    images = {"train": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)}
    images["test"] = images["train"][:1]
    save_packed(tmp_path / "manifest.json", images)
    return tmp_path, images


def test_packed_images_come_back_mapped(packed):
    folder, images = packed
    read = load_packed(folder / "manifest.json")
    assert isinstance(read.train, np.memmap)
    assert (read.train == images["train"]).all()


def test_packing_the_same_again_writes_the_same_manifest(packed):
    folder, images = packed
    before = (folder / "manifest.json").read_bytes()
    save_packed(folder / "manifest.json", images)
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("harm", ["missing", "truncated", "other shape"])
def test_packed_images_that_do_not_fit_are_refused(packed, harm):
    folder, _ = packed
    path = folder / "train.npy"
    if harm == "missing":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(path.read_bytes()[:-4])
    else:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["train"]["shape"][0] = 3
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"train\.npy.*pack again"):
        load_packed(folder / "manifest.json")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "make its folder writable"),
        (errno.EACCES, "make its folder writable"),
        (errno.ENOSPC, "free some space"),
        (errno.EFBIG, "free some space"),
    ],
)
def test_what_keeps_a_file_from_being_written_is_told(tmp_path, monkeypatch, number, remedy):
    def refuse(**options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("spml.plumbing.files.tempfile.mkstemp", refuse)
    with pytest.raises(UserError, match=f"x.json could not be written: .*{remedy}"):
        write_json(tmp_path / "x.json", {})


def test_what_a_killed_writer_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    kept = (".x-abcdefgh.txt", ".xx-abcdefgh.json", ".x-abc.json", "x-abcdefgh.json")
    for name in (".x-abcdefgh.json", *kept):
        (tmp_path / name).touch()
    write_json(tmp_path / "x.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", *kept}


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff"])
@pytest.mark.parametrize("read", [read_json, read_json_lines])
def test_damaged_file_is_named(tmp_path, read, content):
    (tmp_path / "x.json").write_bytes(content)
    if read is read_json_lines and not content:
        return  # no line is no mistake
    with pytest.raises(UserError, match=r"x\.json cannot be read"):
        read(tmp_path / "x.json")
