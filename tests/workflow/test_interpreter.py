"""Jobs run with the Python that runs Snakemake."""

import os
import subprocess
import sys


def test_another_python_on_the_path_runs_no_job(pristine, tmp_path):
    """As where .venv/bin/snakemake is called by its path, and the path begins with something else."""
    checkout = pristine.copy(tmp_path / "checkout")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("python", "python3"):
        (other / name).write_text("#!/bin/sh\necho of another environment >&2\nexit 9\n")
        (other / name).chmod(0o755)
    target = "results/labels/digits.npz"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", target, *checkout.configuration],
        cwd=checkout.path,
        env={**os.environ, "PATH": f"{other}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert (checkout.path / target).is_file()
