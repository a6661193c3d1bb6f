"""Two checkouts that share one folder of data through a link."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from checkouts import SMALL, Checkout

RUN = "results/runs/digits/demo/gr/seed0/metrics.json"
PROFILE = ("--workflow-profile", "workflow/profiles/default")


def that_share_data(first: Checkout, second: Checkout, folder: Path) -> list[Checkout]:
    """A copy of each, with the data of the first."""
    copies = [first.copy(folder / "one"), second.copy(folder / "two")]
    (folder / "one/data").rename(folder / "data")
    shutil.rmtree(folder / "two/data", ignore_errors=True)
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


def test_one_after_the_other_and_then_at_the_same_time(finished, pristine, tmp_path):
    """The second finds nothing of the first out of date, and both give the same bytes."""
    one, two = checkouts = that_share_data(finished, pristine, tmp_path)
    two.snakemake(RUN)
    first = (one.path / RUN).read_bytes()
    for checkout in checkouts:
        assert "Nothing to be done" in checkout.ask("-n", RUN)
        assert (checkout.path / RUN).read_bytes() == first
        (checkout.path / RUN).with_name("predictions.npz").unlink()
    together = [start(checkout, RUN, *PROFILE, *SMALL) for checkout in checkouts]
    assert [process.wait() for process in together] == [0, 0]
    for checkout in checkouts:
        assert (checkout.path / RUN).read_bytes() == first


def test_killed_run_of_another_configuration_in_the_other_checkout_is_no_hindrance(
    finished, tmp_path
):
    one, two = that_share_data(finished, finished, tmp_path)
    (two.path / "long.yaml").write_text("protocols: {demo: {training: {epochs: 4000}}}")
    process = start(two, RUN, *SMALL, "long.yaml")
    checkpoints = two.path.parent / "data/checkpoints"
    while not list(checkpoints.glob("**/digits/demo/gr/seed0.pt")):
        assert process.poll() is None, "the workflow ended before a checkpoint was written"
        os.sched_yield()
        time.sleep(0.01)  # polls for the event; nothing depends on how long it takes
    try:
        (one.path / RUN).with_name("predictions.npz").unlink()
        one.snakemake(RUN)
        assert list(checkpoints.glob("**/digits/demo/gr/seed0.pt"))
    finally:
        # Asked to end, Snakemake would wait for the run's 4000 epochs.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
