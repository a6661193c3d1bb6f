"""A file that was cut at a line's end reads like a whole one; its checksum tells."""

import hashlib
import importlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from spml import describe
from spml.planning import files as configuration_files
from spml.planning.shown import compared_pairs
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import (
    GRADIENT_TABLE,
    MAPPING_TABLE,
    METHOD_GRADIENT_TABLE,
    comparison_path,
    exhibit_path,
    split_key,
    table_path,
)
from spml.plumbing.checksums import checksums_path, verified, write_checksums
from spml.plumbing.errors import UserError

ROOT = Path(__file__).parents[2]
TEXTS = {"t.csv": "a\n1\n2\n", "t.caption.txt": "Ünal & co.\n", "t.md": ""}
CUT = "is not as it was written (its checksum differs); delete it and start again: it is made anew"
# All exhibits that read tables of stages before them.
READERS = sorted(
    path.stem
    for path in (ROOT / "workflow/spml/exhibits").glob("*_*.py")
    if "read_csv(" in path.read_text(encoding="utf-8")
)


@pytest.fixture
def folder(tmp_path):
    """Three files of one name, and one whose name begins as theirs."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "t_2.csv").write_text("b\n")
    write_checksums(*(tmp_path / name for name in TEXTS))
    write_checksums(tmp_path / "t_2.csv")
    return tmp_path


def cut(path: Path) -> None:
    """Take the last line."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def test_a_file_a_name_holds_the_checksums_of_all_its_suffixes(folder):
    expected = {
        name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in TEXTS.items()
    }
    lines = (folder / "t.sha256").read_text().splitlines()
    assert {line.split("  ")[1]: line.split("  ")[0] for line in lines} == expected
    assert {path.name for path in folder.glob("*.sha256")} == {"t.sha256", "t_2.sha256"}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_agrees(folder):
    def check():
        command = "sha256sum --check --strict --quiet *.sha256"
        return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)

    assert check().returncode == 0
    cut(folder / "t.csv")
    assert check().stdout == "t.csv: FAILED\n"


def test_whole_files_are_read(folder):
    for name in (*TEXTS, "t_2.csv"):
        assert verified(folder / name) == folder / name


@pytest.mark.parametrize("name", ["t.csv", "t.caption.txt"])
def test_cut_file_is_named(folder, name):
    cut(folder / name)
    with pytest.raises(UserError) as caught:
        verified(folder / name)
    assert str(caught.value) == f"{folder / name} {CUT}"
    assert verified(folder / "t.md")


def test_files_whose_contents_were_swapped_are_named(folder):
    (folder / "t.csv").write_text(TEXTS["t.md"])
    with pytest.raises(UserError, match=r"t\.csv is not as it was written"):
        verified(folder / "t.csv")


@pytest.mark.parametrize(("lines", "refused"), [(1, {"t.caption.txt", "t.md"}), (0, set(TEXTS))])
def test_checksums_that_were_cut_vouch_for_nothing(folder, lines, refused):
    path = folder / "t.sha256"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))
    for name in TEXTS:
        if name in refused:
            with pytest.raises(UserError, match=rf"{name} is not as it was written"):
                verified(folder / name)
        else:
            verified(folder / name)


@pytest.mark.parametrize("name", ["t.csv", "t.sha256"])
def test_missing_file_is_a_sentence(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"t\.csv cannot be read .*{name}.*; delete it and start"):
        verified(folder / "t.csv")


def test_checksums_of_two_names_are_a_mistake(folder):
    with pytest.raises(ValueError, match="too many values"):
        write_checksums(folder / "t.csv", folder / "t_2.csv")


@pytest.mark.parametrize("count", [1, 0])
def test_described_losses_have_checksums(tmp_path, monkeypatch, count):
    curve = {"name": "an", "title": "AN", "loss": "an", "hyperparameters": {}, "total_epochs": 2}
    settings = json.dumps({"curves": [curve] * count, "methods": [curve] * count})
    arguments = ["--settings", settings, "--output-directory", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["describe", *arguments])
    describe.main()
    for table in (MAPPING_TABLE, GRADIENT_TABLE, METHOD_GRADIENT_TABLE):
        header = verified(tmp_path / Path(table).name).read_text().splitlines()[0]
        assert header.startswith("method,")


def write_cut_tables(config, key):
    """All tables that an exhibit may read, each without its last line."""
    shown = config["select"]["exhibits"]
    pairs = [(name, pair) for name in shown for pair in compared_pairs(config, name)]
    for path in (
        Path(MAPPING_TABLE),
        Path(GRADIENT_TABLE),
        table_path(*split_key(key)),
        *(exhibit_path(name, ".csv") for name in shown),
        *(comparison_path(name, **pair) for name, pair in pairs),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("dataset,protocol\na,b\nc,d\n")
        write_checksums(path)
        cut(path)


@pytest.mark.parametrize("key", READERS)
def test_every_exhibit_refuses_a_table_that_was_cut(key, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = configuration_files.load([])
    config["select"]["exhibits"] = ["gr_ablation" if key == "extra_claims" else "gr_main_table"]
    monkeypatch.chdir(tmp_path)
    write_cut_tables(config, key)
    module = importlib.import_module(f"spml.exhibits.{key}")
    with pytest.raises(UserError, match=r"\.csv is not as it was written"):
        module.tabulate(exhibit_settings(config, key))


def test_what_is_where_names_the_checksums():
    table = (ROOT / "results/README.md").read_text(encoding="utf-8").split("\n## ")[0]
    [row] = [
        line for line in table.splitlines() if line.startswith("| `exhibits/<paper>/<name>.sha256`")
    ]
    address = checksums_path(exhibit_path("gr_main_table", ".csv")).relative_to("results")
    assert str(address).replace("gr/main_table", "<paper>/<name>") in row
    for folder in ("tables", "comparisons", "losses"):
        assert f"`{folder}/`" in row
