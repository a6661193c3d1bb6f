"""A folder that Snakemake was killed in: what it says, what the doctor says, and what helps."""

import os
import signal
import subprocess
import time
from dataclasses import replace

from checkouts import SMALL, imported_stages

TARGET = "results/runs/digits/demo/an/seed0/metrics.json"


def doctor(checkout) -> tuple[int, str]:
    done = subprocess.run(
        [imported_stages(), "-m", "spml.doctor"],
        cwd=checkout.path,
        env={**checkout.environment(), "PYTHONPATH": "workflow"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert all(line.startswith(("ok ", "note ", "FAIL ")) for line in done.stdout.splitlines())
    return done.returncode, done.stdout


def test_second_snakemake_and_the_first_after_a_crash_are_told_what_to_do(checkout):
    (checkout.path / "long.yaml").write_text("protocols: {demo: {training: {epochs: 4000}}}")
    long = replace(checkout, configuration=(*SMALL, "long.yaml"))
    process = subprocess.Popen(
        checkout.command(TARGET, *long.configuration),
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    checkpoint = checkout.path / "data/checkpoints/digits/demo/an/seed0.pt"
    while not checkpoint.exists():
        assert process.poll() is None, "the workflow ended before a checkpoint was written"
        os.sched_yield()
        time.sleep(0.01)  # polls for the event; nothing depends on how long it takes
    os.killpg(process.pid, signal.SIGSTOP)  # it need not train while it is looked at

    printed = long.ask(TARGET, fails=True)
    assert "Directory cannot be locked" in printed
    status, found = doctor(checkout)
    assert status == 1
    assert f"FAIL lock: snakemake runs here (process {process.pid})" in found
    assert "incomplete" not in found

    # As a job that had begun to write when the power went.
    weights = checkout.path / TARGET.replace("metrics.json", "weights.pt")
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"begun")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    profile = ("--workflow-profile", "workflow/profiles/default")
    printed = checkout.ask(TARGET, *profile, fails=True)
    assert "Directory cannot be locked" in printed
    assert "--unlock" in printed
    status, found = doctor(checkout)
    assert status == 1
    assert "snakemake --unlock" in found
    assert f"incomplete: {weights.relative_to(checkout.path)}" in found

    checkout.ask("--unlock")
    assert doctor(checkout)[0] == 0
    printed = long.ask(TARGET, fails=True)
    assert "--rerun-incomplete" in printed
    checkpoint.unlink()  # which belongs to a run of 4000 epochs
    checkout.snakemake(TARGET, *profile)
    status, found = doctor(checkout)
    assert status == 0
    assert "incomplete" not in found
