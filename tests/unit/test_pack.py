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
from spml.datasets import MODULES, dataset_module
from spml.pack import check_space, list_only, pack, repeated_images
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


def shown(pixels: np.ndarray, path: Path, **options) -> Path:
    """The pixels in a file as they are; what tells a viewer how to show them beside."""
    Image.fromarray(pixels).save(path, **options)
    return path


def quadrants() -> np.ndarray:
    """(16, 16, 3): upper left red, upper right green, lower left blue, lower right black."""
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:8, :8, 0] = pixels[:8, 8:, 1] = pixels[8:, :8, 2] = 255
    return pixels


# How the stored pixels have to be turned to be upright, by the definition of the tag in EXIF 2.3.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photographs_of_ones_own_are_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = shown(quadrants(), tmp_path / "x.png", exif=exif)
    assert (decode_image(path, 16, as_viewed=True) == UPRIGHT[orientation](quadrants())).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB with one transparent colour"])
def test_transparent_pixels_of_ones_own_are_white(tmp_path, mode):
    """A red square, a quarter of which is transparent, whatever colour it hides."""
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, 255
    pixels[:8, :8] = (0, 90, 0, 0)
    image, options = Image.fromarray(pixels), {}
    expected = np.zeros((16, 16, 3), dtype=np.uint8)
    expected[..., 0] = 200
    if mode == "LA":
        image = image.convert("LA")
        expected[:] = np.asarray(image)[15, 15, 0]
    elif mode == "P":
        image = image.convert("RGB").quantize(4)
        options = {"transparency": image.getpixel((0, 0))}
    elif mode != "RGBA":
        image, options = image.convert("RGB"), {"transparency": (0, 90, 0)}
    expected[:8, :8] = 255
    image.save(tmp_path / "x.png", **options)
    assert (decode_image(tmp_path / "x.png", 16, as_viewed=True) == expected).all()
    assert (decode_image(tmp_path / "x.png", 16)[0, 0] != 255).any()


def test_half_transparent_pixels_of_ones_own_are_half_white(tmp_path):
    pixels = np.full((4, 4, 4), (100, 0, 255, 51), dtype=np.uint8)  # a fifth
    path = shown(pixels, tmp_path / "x.png")
    assert (decode_image(path, 4, as_viewed=True) == (224, 204, 255)).all()


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


def test_images_of_ones_own_are_the_same_bytes_either_way(folder):
    for number in (0, 71):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture(number).save(folder / f"images/{number}.jpg", exif=exif)
    options = {"root": folder / "images", "size": SIZE, "origin": ""}
    plain = pack_all(folder)
    manifests = {
        "packed": pack_all(folder, as_viewed=True),  # over what was packed as the papers read it
        "listed": list_only(folder / "listed", images(), as_viewed=True, **options),
        "listed_plain": list_only(folder / "listed_plain", images(), **options),
    }
    found = {}
    for name, manifest in manifests.items():
        (folder / name / "manifest.json").write_text(json.dumps(manifest))
        found[name] = load_packed(folder / name / "manifest.json")
    for split in ("train", "test"):
        packed, listed = (getattr(found[name], split)[:] for name in ("packed", "listed"))
        assert (packed == listed).all()
        assert (packed != expected(folder, split)).any()
        assert (getattr(found["listed_plain"], split)[:] == expected(folder, split)).all()
        assert plain[split]["sha256"] != manifests["packed"][split]["sha256"]


def test_only_tables_of_ones_own_are_read_as_viewed():
    viewed = {name for name in MODULES if getattr(dataset_module(name), "AS_VIEWED", False)}
    assert viewed == {"table"}


def test_test_images_that_are_training_images_too_are_named(folder, capsys):
    contents = {  # one that ends otherwise, and one of the same length that begins otherwise
        "same": b"x" * 40_000,
        "end": b"x" * 39_999 + b"y",
        "start": b"y" + b"x" * 39_999,
    }
    for name, files in {"same": ("3", "68", "72", "74"), "end": ("73",), "start": ("71",)}.items():
        for file in files:
            (folder / f"images/{file}.jpg").write_bytes(contents[name])
    repeated = repeated_images(images(), folder / "images")
    assert repeated == ["72.jpg", "74.jpg"]
    assert (
        repeated_images({"train": ["3.jpg"], "test": ["71.jpg", "70.jpg"]}, folder / "images") == []
    )


@pytest.mark.parametrize("how", ["memory_map", "on_the_fly"])
def test_placeholders_in_both_splits_are_told_in_log_and_manifest(folder, monkeypatch, capsys, how):
    for number in (5, 72):
        picture(0).save(folder / f"images/{number}.jpg", quality=80)
    monkeypatch.setattr("sys.argv", [*command(folder)[2:], "--pack", how])
    stage.main()
    written = json.loads((folder / "packed/manifest.json").read_text())
    assert written["test_images_in_train"] == {"count": 1, "first": ["72.jpg"]}
    said = "a training image too, byte for byte, perhaps placeholders of photographs that are gone"
    assert f"{said}: 1, 72.jpg\n" in capsys.readouterr().err
    assert len(load_packed(folder / "packed/manifest.json").train) == 70


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
