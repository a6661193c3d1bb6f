"""Two checkouts that share one folder of data through a link."""

import os
import signal
import subprocess
import time

import pytest
from checkouts import SMALL, Checkout

pytestmark = pytest.mark.xdist_group("workflow")

RUNS = [f"results/runs/digits/demo/{method}/seed0/metrics.json" for method in ("gr", "an_recorded")]
PROFILE = ("--workflow-profile", "workflow/profiles/default")


@pytest.fixture
def checkouts(finished, pristine, tmp_path) -> list[Checkout]:
    """One in which everything has run, and one in which nothing has."""
    copies = [finished.copy(tmp_path / "one"), pristine.copy(tmp_path / "two")]
    (tmp_path / "one/data").rename(tmp_path / "data")
    for copy in copies:
        (copy.path / "data").symlink_to("../data")
    return copies


def start(checkout: Checkout, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        checkout.command(*arguments),
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_one_after_the_other_and_then_at_the_same_time(checkouts):
    """The second finds nothing of the first out of date, and both give the same bytes."""
    one, two = checkouts
    two.snakemake(*RUNS)
    first = [(one.path / run).read_bytes() for run in RUNS]
    for checkout in checkouts:
        assert "Nothing to be done" in checkout.ask("-n", *RUNS)
        assert [(checkout.path / run).read_bytes() for run in RUNS] == first
        for run in RUNS:
            (checkout.path / run).with_name("predictions.npz").unlink()
    together = [start(checkout, *RUNS, *PROFILE, *SMALL) for checkout in checkouts]
    assert [process.wait() for process in together] == [0, 0]
    for checkout in checkouts:
        assert [(checkout.path / run).read_bytes() for run in RUNS] == first


def test_killed_run_of_another_configuration_in_the_other_checkout_is_no_hindrance(checkouts):
    one, two = checkouts
    (two.path / "long.yaml").write_text("protocols: {demo: {training: {epochs: 4000}}}")
    process = start(two, RUNS[0], *SMALL, "long.yaml")
    checkpoints = two.path.parent / "data/checkpoints"
    while not list(checkpoints.glob("*/digits/demo/gr/seed0.pt")):
        assert process.poll() is None, "the workflow ended before a checkpoint was written"
        os.sched_yield()
        time.sleep(0.01)  # polls for the event; nothing depends on how long it takes
    try:
        (one.path / RUNS[0]).with_name("predictions.npz").unlink()
        one.snakemake(RUNS[0])
        assert list(checkpoints.glob("*/digits/demo/gr/seed0.pt"))
    finally:
        # Asked to end, Snakemake would wait for the run's 4000 epochs.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
