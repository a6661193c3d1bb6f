import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from spml.extract import extract
from spml.plumbing.errors import UserError

FILES = {"a/one.txt": b"one", "a/b/two.bin": bytes(range(256)) * 300, "three": b""}


def write_zip(path: Path, files=FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files=FILES, extra: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra)
    return path


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("a/link")
    member.type = kind
    member.linkname = target
    return member


def contents(tree: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(tree)): p.read_bytes() for p in sorted(tree.rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz"])
def test_every_file_arrives(tmp_path, name):
    write = write_zip if name.endswith("zip") else write_tar
    manifest = extract(write(tmp_path / name), tmp_path / "tree")
    assert contents(tmp_path / "tree") == FILES
    assert (manifest["files"], manifest["bytes"]) == (3, 256 * 300 + 3)
    # Again over what is there, and the same manifest whatever the kind of archive.
    (tmp_path / "tree/three").write_text("left over")
    assert extract(tmp_path / name, tmp_path / "tree") == manifest
    assert contents(tmp_path / "tree") == FILES


def test_a_file_that_is_no_archive_is_its_own_member(tmp_path):
    (tmp_path / "list.npy").write_bytes(b"abc")
    assert extract(tmp_path / "list.npy", tmp_path / "tree")["files"] == 1
    assert contents(tmp_path / "tree") == {"list.npy": b"abc"}


@pytest.mark.parametrize("name", ["../out", "/tmp/spml-out", "a/../../out", "a\\..\\out"])
@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_members_outside_the_tree_are_refused(tmp_path, name, kind):
    write = write_zip if kind == "x.zip" else write_tar
    archive = write(tmp_path / kind, {name: b"evil"})
    with pytest.raises(UserError, match="would leave the tree"):
        extract(archive, tmp_path / "tree")
    assert not list(tmp_path.rglob("*out"))


@pytest.mark.parametrize(
    "member",
    [
        link(tarfile.SYMTYPE, "/etc/passwd"),
        link(tarfile.SYMTYPE, "one.txt"),
        link(tarfile.LNKTYPE, "../../x"),
        link(tarfile.CHRTYPE, ""),
        link(tarfile.FIFOTYPE, ""),
    ],
    ids=lambda member: f"{member.type.decode()} {member.linkname}",
)
def test_links_and_devices_are_refused(tmp_path, member):
    with pytest.raises(UserError, match="neither a file nor a folder"):
        extract(write_tar(tmp_path / "x.tar", extra=member), tmp_path / "tree")
    assert not (tmp_path / "tree/a/link").exists()


def test_links_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        extract(tmp_path / "x.zip", tmp_path / "tree")


def test_nothing_is_written_through_a_link_that_lies_in_the_tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree/a").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="would leave the tree"):
        extract(write_zip(tmp_path / "x.zip"), tmp_path / "tree")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_truncated_archives_are_found(tmp_path, name, share):
    write = write_zip if name == "x.zip" else write_tar
    archive = write(tmp_path / name)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="is broken or incomplete"):
        extract(archive, tmp_path / "tree")


@pytest.mark.parametrize("missing", [1, 4, 8, 40])
def test_compressed_tar_without_its_last_bytes_is_found(tmp_path, missing):
    archive = write_tar(tmp_path / "x.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-missing])
    with pytest.raises(UserError, match="is broken or incomplete"):
        extract(archive, tmp_path / "tree")


def test_tar_cut_between_two_members_is_found(tmp_path):
    archive = write_tar(tmp_path / "x.tar")
    archive.write_bytes(archive.read_bytes()[:1024])  # the first member and its header
    with pytest.raises(UserError, match="its end is missing"):
        extract(archive, tmp_path / "tree")


def test_flipped_byte_in_a_zip_is_found(tmp_path):
    content = bytearray(write_zip(tmp_path / "x.zip").read_bytes())
    content[content.index(b"one.txt") + 8] ^= 255
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match="is broken or incomplete"):
        extract(tmp_path / "x.zip", tmp_path / "tree")


def test_flipped_byte_in_a_compressed_tar_is_found(tmp_path):
    content = bytearray(gzip.decompress(write_tar(tmp_path / "x.tar.gz").read_bytes()))
    packed = bytearray(gzip.compress(bytes(content)))
    packed[-5] ^= 255  # the length at the end
    (tmp_path / "x.tar.gz").write_bytes(packed)
    with pytest.raises(UserError, match="is broken or incomplete"):
        extract(tmp_path / "x.tar.gz", tmp_path / "tree")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_archive_that_is_a_bomb_is_refused_by_what_it_says(tmp_path, monkeypatch, name):
    write = write_zip if name == "x.zip" else write_tar
    archive = write(tmp_path / name, {"small": b"x", "large": bytes(1 << 20)})
    monkeypatch.setattr("spml.extract.LARGEST_SMALL", 1 << 19)
    with pytest.raises(UserError, match="over 100 times its own size"):
        extract(archive, tmp_path / "tree")
    assert not (tmp_path / "tree/large").exists()


def test_member_that_the_disk_cannot_take_is_refused_before_it_is_written(tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("spml.extract.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="No space left for a file"):
        extract(write_tar(tmp_path / "x.tar"), tmp_path / "tree")
    assert contents(tmp_path / "tree") == {"a/one.txt": b"one"}


def test_zip_member_that_is_larger_than_it_says_is_not_written_whole(tmp_path):
    """Whatever it unpacks to, no more than the declared size is read, and its checksum differs."""
    content = bytearray(write_zip(tmp_path / "x.zip", {"large": bytes(1 << 20)}).read_bytes())
    last = content.rindex(b"PK\x01\x02") + 24  # its size in the directory at the end
    assert content[last : last + 4] == (1 << 20).to_bytes(4, "little")
    content[last : last + 4] = (64).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match="is broken or incomplete"):
        extract(tmp_path / "x.zip", tmp_path / "tree")
    assert (tmp_path / "tree/large").stat().st_size <= 64


def test_a_file_that_stands_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("same"))
    with pytest.raises(UserError, match="holds a file twice"):
        extract(tmp_path / "x.tar", tmp_path / "tree")


# --------------------------------------------------------------------------------------------------
# The command
# --------------------------------------------------------------------------------------------------


def command(folder: Path, *start: str) -> list[str]:
    start = start or ("-m", "spml.extract")
    arguments = ("archive x.zip", "receipt receipt.json", "tree tree", "manifest manifest.json")
    pairs = [argument.split() for argument in arguments]
    return [sys.executable, *start, *(p for k, v in pairs for p in (f"--{k}", str(folder / v)))]


@pytest.fixture
def prepared(tmp_path) -> Path:
    archive = write_zip(tmp_path / "x.zip")
    receipt = {"bytes": archive.stat().st_size, "checksum": "sha256:00"}
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    return tmp_path


def test_command_writes_the_manifest_with_the_archives_checksum(prepared):
    subprocess.run(command(prepared), check=True, capture_output=True)
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert (manifest["files"], manifest["checksum"]) == (3, "sha256:00")


def test_archive_that_changed_after_its_download_is_refused(prepared):
    with (prepared / "x.zip").open("ab") as file:
        file.write(b"more")
    done = subprocess.run(command(prepared), capture_output=True, text=True)
    assert done.returncode == 1
    assert "bytes but was downloaded with" in done.stderr
    assert not (prepared / "manifest.json").exists()


KILLED = """
import os, signal, tqdm, spml.extract
class Killer(tqdm.tqdm):
    def update(self, n=1):
        super().update(n)
        if self.n > 3:  # the first file is written, the second one begun
            os.kill(os.getpid(), signal.SIGKILL)
spml.extract.tqdm = Killer
spml.extract.main()
"""


def test_killed_extraction_leaves_no_manifest_and_is_mended_by_the_next(prepared):
    done = subprocess.run(command(prepared, "-c", KILLED), capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert contents(prepared / "tree") != FILES
    assert not (prepared / "manifest.json").exists()
    subprocess.run(command(prepared), check=True, capture_output=True)
    assert contents(prepared / "tree") == FILES
    assert (prepared / "manifest.json").exists()
