"""`make clean` deletes what was made, wherever it lies, and nothing else."""

import subprocess

from checkouts import ROOT


def test_linked_results_are_emptied_and_linked_data_are_left(tmp_path):
    for name in ("results", "data"):
        there = tmp_path / "elsewhere" / name
        (there / "packed/voc").mkdir(parents=True)
        (there / "packed/voc/train.npy").write_text("")
        (there / "README.md").write_text("")
        (tmp_path / name).symlink_to(there)
    (tmp_path / ".snakemake").mkdir()
    subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), "clean"],
        cwd=tmp_path,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["README.md"]
    assert (tmp_path / "data/packed/voc/train.npy").is_file()
    assert not (tmp_path / ".snakemake").exists()
