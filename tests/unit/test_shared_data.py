"""What lets several checkouts share one folder of data."""

import subprocess
import sys
from pathlib import Path

import pytest
from spml.plumbing.addresses import checkpoint_path
from spml.plumbing.exclusive import exclusive

RUN = ("digits", "demo", "gr", 0)
NAME = Path("data/checkpoints/digits/demo/gr/seed0.pt")


def test_checkpoint_lies_where_its_name_says_in_a_checkout_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checkpoint_path(*RUN) == NAME
    Path("data").mkdir()
    assert checkpoint_path(*RUN) == NAME


def test_checkouts_that_share_their_data_share_no_checkpoint(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    found = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").symlink_to("../data")
        monkeypatch.chdir(tmp_path / name)
        path = checkpoint_path(*RUN)
        assert path == checkpoint_path(*RUN)
        assert path.parts[:2] == ("data", "checkpoints")
        assert path.parts[-4:] == NAME.parts[-4:]
        found.add(path)
    assert len(found) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_second_process_waits_until_the_first_has_ended(tmp_path, fails):
    """It says that it waits, and sees all that the first has written, even where that failed."""
    target = tmp_path / "folder/file"
    code = (
        "import sys; from pathlib import Path; from spml.plumbing.exclusive import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print(Path(sys.argv[1]).read_text())"
    )
    try:
        with exclusive(target):
            second = subprocess.Popen(
                [sys.executable, "-c", code, str(target)],
                env={"PYTHONPATH": "workflow"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert second.stderr.readline() == f"waiting: another process makes {target}\n"
            target.write_text("whole")
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert second.communicate()[0] == "whole\n"
    assert second.returncode == 0
