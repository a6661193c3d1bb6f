"""Downloads from a real web server on this machine, and what can go wrong with them."""

import hashlib
import json
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from spml import download as stage
from spml import fetch_images as fetching
from spml import pack as packing
from spml.download import Source, download
from spml.extract import extract
from spml.fetch_images import fetch_images
from spml.plumbing.errors import UserError
from web_server import serve

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(stage, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(fetching, "FIRST_WAIT", 0.0)


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "file.zip").write_bytes(CONTENT)
    (folder / "short.zip").write_bytes(CONTENT[:-100])
    flipped = bytearray(CONTENT)
    flipped[1_000_000] ^= 1
    (folder / "flipped.zip").write_bytes(flipped)
    logs = tmp_path / "server"
    logs.mkdir()
    with serve({"files": folder}, logs) as running:
        yield running


def source(*addresses: str, **changes) -> Source:
    return Source(
        **{
            "dataset": "set",
            "file": "file.zip",
            "addresses": addresses,
            "size": len(CONTENT),
            "checksum": f"sha256:{SHA256}",
            "access": "open",
            **changes,
        }
    )


@contextmanager
def small_server(handler: type[BaseHTTPRequestHandler]):
    """A server in this process; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_file_arrives_and_the_receipt_says_what_it_is(server, tmp_path):
    command = [sys.executable, "-m", "spml.download", "--output", tmp_path / "raw/file.zip"]
    what = source(f"{server.address}/files/file.zip").__dict__
    command += ["--addresses", json.dumps(what.pop("addresses")), "--source", json.dumps(what)]
    command += ["--receipt", tmp_path / "receipt.json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (tmp_path / "raw/file.zip").read_bytes() == CONTENT
    assert json.loads((tmp_path / "receipt.json").read_text()) == {
        "dataset": "set",
        "file": "file.zip",
        "bytes": len(CONTENT),
        "checksum": f"sha256:{SHA256}",
    }
    assert "100" in done.stderr  # curl's progress
    assert not list(tmp_path.rglob("*.partial"))


def test_file_that_is_there_is_verified_and_kept(tmp_path):
    target = tmp_path / "file.zip"
    target.write_bytes(CONTENT)
    assert download(source("http://127.0.0.1:1/nowhere"), target)["checksum"] == f"sha256:{SHA256}"
    target.write_bytes(CONTENT[1:])
    with pytest.raises(UserError, match=r"file\.zip has 2999999 bytes, 3000000 expected"):
        download(source("http://127.0.0.1:1/nowhere"), target)
    assert target.exists()  # it is the user's


def test_md5_and_the_beginning_of_a_checksum(server, tmp_path):
    address = f"{server.address}/files/file.zip"
    md5 = hashlib.md5(CONTENT).hexdigest()
    for name, checksum in (("a", f"md5:{md5}"), ("b", f"sha256:{SHA256[:8]}"), ("c", None)):
        download(source(address, checksum=checksum, size=None), tmp_path / name)
        assert (tmp_path / name).read_bytes() == CONTENT


def test_cut_connection_asks_only_for_the_rest(server, tmp_path):
    """The first answer breaks off at half; nginx is then asked for the other half alone."""
    half = len(CONTENT) // 2
    asked = []

    class Cutting(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Range"))
            if len(asked) == 1:
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT[:half])
            else:
                self.send_response(302)
                self.send_header("Location", f"{server.address}/files/file.zip")
                self.end_headers()

        def log_message(self, *_):
            pass

    with small_server(Cutting) as address:
        download(source(f"{address}/file.zip"), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert asked == [None, f"bytes={half}-"]
    assert server.answers() == [("/files/file.zip", 206, len(CONTENT) - half)]


def test_interrupted_download_is_resumed_by_the_next_run(server, tmp_path):
    (tmp_path / "file.zip.partial").write_bytes(CONTENT[:2_500_000])
    download(source(f"{server.address}/files/file.zip"), tmp_path / "file.zip")
    assert server.answers() == [("/files/file.zip", 206, 500_000)]
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_server_without_ranges_is_asked_from_the_start(tmp_path):
    class Plain(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            pass

    (tmp_path / "served").mkdir()
    (tmp_path / "served/file.zip").write_bytes(CONTENT)
    (tmp_path / "file.zip.partial").write_bytes(CONTENT[:1000])
    with small_server(Plain) as address:
        download(source(f"{address}/file.zip"), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_partial_file_longer_than_the_file_is_dropped(server, tmp_path):
    (tmp_path / "file.zip.partial").write_bytes(CONTENT + b"more")
    with pytest.raises(UserError, match="3000004 bytes, 3000000 expected"):
        download(source(f"{server.address}/files/file.zip"), tmp_path / "file.zip")
    download(source(f"{server.address}/files/file.zip"), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["flipped.zip", "short.zip"])
def test_wrong_content_is_deleted_and_told(server, tmp_path, name):
    address = f"{server.address}/files/{name}"
    with pytest.raises(UserError) as raised:
        download(source(address), tmp_path / "file.zip")
    text = str(raised.value)
    found = {
        "flipped.zip": hashlib.sha256((tmp_path / "served/flipped.zip").read_bytes()).hexdigest(),
        "short.zip": "2999900 bytes",
    }
    expected = {"flipped.zip": SHA256, "short.zip": "3000000"}
    for part in (address, found[name], expected[name], "set/file.zip", "is deleted"):
        assert part in text
    assert not (tmp_path / "file.zip").exists()
    assert not (tmp_path / "file.zip.partial").exists()


@pytest.mark.parametrize("first", ["files/missing.zip", "files/flipped.zip", "files/short.zip"])
def test_next_mirror_is_used(server, tmp_path, first):
    addresses = (f"{server.address}/{first}", f"{server.address}/files/file.zip")
    download(source(*addresses), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_unreachable_server_is_told_with_every_address(server, tmp_path):
    addresses = ("http://127.0.0.1:1/file.zip", f"{server.address}/files/missing.zip")
    with pytest.raises(UserError) as raised:
        download(source(*addresses), tmp_path / "file.zip")
    assert f"{addresses[0]}: curl ended with 7 (no connection)" in str(raised.value)
    assert str(raised.value).endswith(
        f"put at {tmp_path / 'file.zip'} yourself is verified and taken"
    )
    assert f"{addresses[1]}: HTTP 404" in str(raised.value)
    # What is not there is asked for once; what may come back is tried again.
    assert len(server.answers()) == 1


def test_too_small_a_disk_is_told_before_the_transfer(server, tmp_path):
    with pytest.raises(UserError, match=r"needs 1000000\.0 GB more"):
        download(source(f"{server.address}/files/file.zip", size=10**15), tmp_path / "file.zip")
    assert server.answers() == []


def test_missing_curl_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="curl is not installed"):
        download(source("http://127.0.0.1:1/file.zip"), tmp_path / "file.zip")


def test_files_on_request_stop_at_once_with_instructions(tmp_path):
    target = tmp_path / "raw/Flickr.zip"
    wanted = source("https://nus.example/ask", access="manual", dataset="nus", file="Flickr.zip")
    with pytest.raises(UserError) as raised:
        download(wanted, target)
    for part in ("https://nus.example/ask", str(target), "data.nus.path", "select.datasets"):
        assert part in str(raised.value)
    target.write_bytes(CONTENT)
    assert download(wanted, target)["bytes"] == len(CONTENT)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True)
    except OSError:
        pytest.skip("there is no mount program")
    if done.returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_during_a_download_is_told_and_the_rest_is_had_later(
    server, tmp_path, small_disk
):
    unknown_size = source(f"{server.address}/files/file.zip", size=None)
    with pytest.raises(UserError, match=r"could not be written .* goes on where it stopped"):
        download(unknown_size, small_disk / "file.zip")
    assert not (small_disk / "file.zip").exists()
    partial = (small_disk / "file.zip.partial").read_bytes()
    assert partial == CONTENT[: len(partial)] != b""
    (tmp_path / "file.zip.partial").write_bytes(partial)  # moved to a larger disk
    download(unknown_size, tmp_path / "file.zip")
    assert server.answers()[-1] == ("/files/file.zip", 206, len(CONTENT) - len(partial))
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_full_disk_during_extraction_is_told(tmp_path, small_disk):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("large", CONTENT)
    with pytest.raises(UserError, match=r"could not be extracted to .*No space left"):
        extract(tmp_path / "x.zip", small_disk / "tree")


def test_full_disk_during_packing_is_told_and_nothing_looks_complete(
    tmp_path, small_disk, monkeypatch
):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.jpg")
    monkeypatch.setattr(packing, "check_space", lambda *_: None)  # the disk fills up meanwhile
    arguments = {"root": tmp_path, "size": 200, "origin": "", "processes": 1}
    with pytest.raises(UserError, match=r"could not be written .*No space left"):
        packing.pack(small_disk, {"train": ["x.jpg"] * 64}, **arguments)
    assert not list(small_disk.glob("*.npy"))


def test_images_are_fetched_one_by_one_and_what_arrived_is_kept(server, tmp_path):
    served, folder = tmp_path / "served", tmp_path / "images"
    names = [f"train/{number}.jpg" for number in range(5)]
    (served / "train").mkdir()
    for name in names[:4]:
        (served / name).write_text(name)
    with pytest.raises(UserError, match=r"1 of 5 images .* the first one train/4\.jpg"):
        fetch_images(folder, names, f"{server.address}/files")
    (served / names[4]).write_text(names[4])
    asked = len(server.answers())
    manifest = fetch_images(folder, names, f"{server.address}/files")
    assert [answer[0] for answer in server.answers()[asked:]] == ["/files/train/4.jpg"]
    assert manifest["files"] == 5
    assert sorted(Path(p).name for p in folder.rglob("*") if p.is_file()) == [
        f"{number}.jpg" for number in range(5)
    ]
    assert all((folder / name).read_text() == name for name in names)
