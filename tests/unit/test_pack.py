import io
import json
import os
import signal
import struct
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from spml import pack as stage
from spml.data.decode import decode_image
from spml.data.labels import Labels, Split, save_labels
from spml.data.packed import load_packed
from spml.pack import check_space, list_only, pack
from spml.plumbing.errors import UserError
from torchvision.transforms import Resize
from torchvision.transforms.functional import pil_to_tensor

SIZE = 20
COUNT = 75  # more than two pieces


def picture(seed: int, mode: str = "RGB", width: int = 33, height: int = 27) -> Image.Image:
    bands = {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if bands == 1 else pixels, mode)


def as_the_papers_code_does(path: Path, size: int) -> np.ndarray:
    """Open, convert to RGB and resize as ``datasets.py`` of Cole et al. does with torchvision."""
    with Image.open(path) as image:
        tensor = pil_to_tensor(Resize((size, size))(image.convert("RGB")))
    return tensor.permute(1, 2, 0).numpy()


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(COUNT):
        picture(number).save(tmp_path / f"images/{number}.jpg", quality=80)
    return tmp_path


def images() -> dict[str, list[str]]:
    return {"train": [f"{n}.jpg" for n in range(70)], "test": [f"{n}.jpg" for n in range(70, 75)]}


def pack_all(folder: Path, **changes) -> dict:
    arguments = {"root": folder / "images", "size": SIZE, "origin": "", "processes": 1} | changes
    manifest = pack(folder / "packed", images(), **arguments)
    (folder / "packed/manifest.json").write_text(json.dumps(manifest))
    return manifest


def expected(folder: Path, split: str) -> np.ndarray:
    return np.stack([as_the_papers_code_does(folder / "images" / p, SIZE) for p in images()[split]])


# --------------------------------------------------------------------------------------------------
# Decoding
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(640, 480), (100, 333), (448, 448), (31, 17)])
def test_pixels_equal_torchvisions(tmp_path, mode, size):
    path = tmp_path / "x.jpg"
    picture(1, mode, *size).save(path, quality=90)
    decoded = decode_image(path, 448)
    assert decoded.shape == (448, 448, 3)
    assert (decoded == as_the_papers_code_does(path, 448)).all()


def test_palette_and_transparency(tmp_path):
    picture(2).convert("P").save(tmp_path / "x.png")
    assert decode_image(tmp_path / "x.png", 8).shape == (8, 8, 3)


def test_orientation_is_ignored(tmp_path):
    image = picture(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter when it is shown
    image.save(tmp_path / "turned.png", exif=exif)
    image.save(tmp_path / "plain.png")
    turned, plain = (decode_image(tmp_path / f"{n}.png", 16) for n in ("turned", "plain"))
    assert (turned == plain).all()


@pytest.mark.parametrize("content", [None, b"", b"no image", "half"])
def test_missing_or_broken_image_is_named(tmp_path, content):
    path = tmp_path / "broken.jpg"
    if content == "half":
        stream = io.BytesIO()
        picture(4, width=200, height=200).save(stream, "JPEG")
        content = stream.getvalue()[: len(stream.getvalue()) // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        decode_image(path, 8)


def png_with(chunk: bytes, content: bytes) -> bytes:
    """A PNG with one chunk more, after its header."""
    stream = io.BytesIO()
    picture(4, width=20, height=20).save(stream, "PNG")
    whole = chunk + content
    added = struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))
    return stream.getvalue()[:33] + added + stream.getvalue()[33:]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (png_with(b"iCCP", b"x\0"), "get the file again"),  # IndexError in Pillow
        (
            png_with(b"zTXt", b"k\0\0" + zlib.compress(bytes(2 << 20))),
            "save it without its texts and profiles",
        ),
    ],
)
def test_whatever_a_decoder_raises_names_the_file(tmp_path, content, told):
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(UserError, match=rf"image {tmp_path}/odd\.png cannot be decoded .*{told}"):
        decode_image(tmp_path / "odd.png", 8)


def test_intact_picture_that_is_too_large_is_no_broken_one(tmp_path, monkeypatch):
    picture(4, width=200, height=200).save(tmp_path / "large.png")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match=r"large\.png is too large .*; shrink it first"):
        decode_image(tmp_path / "large.png", 8)


def test_name_with_decomposed_accents_is_told_apart_from_a_missing_one(tmp_path):
    picture(4, width=20, height=20).save(tmp_path / unicodedata.normalize("NFD", "é.png"))
    with pytest.raises(UserError, match=r"accents in another form .*NFD\): rename it"):
        decode_image(tmp_path / unicodedata.normalize("NFC", "é.png"), 8)


# --------------------------------------------------------------------------------------------------
# Packing
# --------------------------------------------------------------------------------------------------


def test_packed_pixels_equal_decoded_ones(folder):
    manifest = pack_all(folder, processes=2)
    packed = load_packed(folder / "packed/manifest.json")
    for split in ("train", "test"):
        array = getattr(packed, split)
        assert isinstance(array, np.memmap)
        assert (array == expected(folder, split)).all()
        assert manifest[split]["shape"] == list(array.shape)
    assert {p.suffix for p in (folder / "packed").iterdir()} == {".npy", ".key", ".json"}


def test_on_the_fly_gives_the_same_numbers(folder):
    pack_all(folder)
    manifest = list_only(folder / "listed", images(), root=folder / "images", size=SIZE, origin="")
    (folder / "listed/manifest.json").write_text(json.dumps(manifest))
    packed = load_packed(folder / "packed/manifest.json").train
    listed = load_packed(folder / "listed/manifest.json").train
    assert listed.shape == packed.shape
    assert len(listed) == len(packed)
    for rows in (np.array([3, 69, 0]), np.array([], dtype=np.int64), slice(60, None)):
        assert (listed[rows] == packed[rows]).all()
        assert torch.from_numpy(listed[rows]).dtype == torch.uint8


@pytest.mark.parametrize("how", [pack, list_only])
def test_missing_image_stops_before_anything_is_packed(folder, how):
    (folder / "images/71.jpg").unlink()
    arguments = {"root": folder / "images", "size": SIZE, "origin": ""}
    with pytest.raises(UserError, match=r"71\.jpg does not exist"):
        how(folder / "packed", images(), **arguments, **({"processes": 1} if how is pack else {}))
    assert not list(folder.rglob("*.npy"))


def test_corrupt_image_stops_with_its_path_and_packs_no_other_in_its_place(folder):
    (folder / "images/40.jpg").write_bytes(b"\xff\xd8 broken")
    with pytest.raises(UserError, match=r"images/40\.jpg cannot be decoded"):
        pack_all(folder)
    assert not list(folder.rglob("*.npy"))
    picture(40).save(folder / "images/40.jpg", quality=80)
    pack_all(folder)
    assert (load_packed(folder / "packed/manifest.json").train == expected(folder, "train")).all()


def test_what_is_packed_is_not_decoded_again(folder, monkeypatch):
    manifest = pack_all(folder)
    monkeypatch.setattr(stage, "_pack_piece", None)
    assert pack_all(folder) == manifest


@pytest.mark.parametrize("changes", [{"size": 10}, {"origin": "other archives"}])
def test_what_was_packed_from_something_else_is_packed_anew(folder, changes):
    pack_all(folder)
    before = (folder / "packed/train.npy").stat()
    picture(999).save(folder / "images/0.jpg")
    pack_all(folder, **changes)
    after = (folder / "packed/train.npy").stat()
    assert (after.st_ino, after.st_mtime_ns) != (before.st_ino, before.st_mtime_ns)
    array = load_packed(folder / "packed/manifest.json").train
    assert (array[0] == as_the_papers_code_does(folder / "images/0.jpg", array.shape[1])).all()


def test_packed_file_that_lost_its_end_is_packed_anew(folder):
    manifest = pack_all(folder)
    path = folder / "packed/train.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"train\.npy cannot be read.*delete .*manifest\.json"):
        load_packed(folder / "packed/manifest.json")
    assert pack_all(folder) == manifest


def test_too_small_a_disk_is_found_before_the_start(folder, monkeypatch):
    usage = os.statvfs(folder)
    with pytest.raises(UserError, match=r"needs 1000\d\d\d\.\d GB more"):
        check_space(folder, usage.f_bavail * usage.f_frsize + 10**15)
    monkeypatch.setattr(
        stage.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 70 * SIZE * SIZE * 3})
    )
    with pytest.raises(UserError, match="set pack: on_the_fly"):
        pack_all(folder)


def command(folder: Path, *start: str) -> list[str]:
    split = {
        name: Split(np.array(paths), np.zeros((len(paths), 1), dtype=bool))
        for name, paths in images().items()
    }
    tree = folder / "tree/VOC2012"
    tree.mkdir(parents=True, exist_ok=True)
    if not (tree / "JPEGImages").exists():
        (tree / "JPEGImages").symlink_to(folder / "images")
    save_labels(folder / "labels.npz", Labels(("a",), **split))
    return [
        *(sys.executable, *(start or ("-m", "spml.pack")), "--dataset", "voc2012"),
        *("--raw", str(folder / "tree"), "--labels", str(folder / "labels.npz")),
        *("--size", str(SIZE), "--manifest", str(folder / "packed/manifest.json")),
    ]


KILLED = """
import os, signal, tqdm, spml.pack
class Killer(tqdm.tqdm):
    def update(self, n=1):
        super().update(n)
        os.kill(os.getpid(), signal.SIGKILL)
spml.pack.tqdm = Killer
spml.pack.main()
"""


def test_killed_packing_goes_on_where_it_stopped(folder):
    done = subprocess.run(command(folder, "-c", KILLED), capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert not (folder / "packed/manifest.json").exists()
    assert not (folder / "packed/train.npy").exists()
    done_rows = np.fromfile(folder / "packed/train.done", dtype=bool)
    assert 0 < done_rows.sum() < len(done_rows)
    first = np.flatnonzero(done_rows)[0]
    picture(999).save(folder / f"images/{first}.jpg")  # would be seen if it were decoded again
    again = subprocess.run(command(folder), check=True, capture_output=True, text=True)
    assert f"{done_rows.sum()}/70" in again.stderr  # progress begins there
    array = load_packed(folder / "packed/manifest.json").train
    picture(int(first)).save(folder / f"images/{first}.jpg", quality=80)
    assert (array == expected(folder, "train")).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_images_of_more_than_eight_bits_are_refused(tmp_path, mode):
    """Pillow would clip them to white."""
    Image.new(mode, (8, 8), 300).save(path := tmp_path / "deep.tiff")
    with pytest.raises(UserError, match=r"deep\.tiff cannot be decoded \(.* more than 8 bits"):
        decode_image(path, 8)
