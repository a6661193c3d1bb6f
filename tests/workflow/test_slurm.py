"""The profile for SLURM on a real cluster of two nodes: what jobs ask for, and what faults do.

Two trainings lose three jobs between them: one is cancelled, its retry reaches its time limit, and
the other one loses its node. What they leave has to be what a run without a cluster leaves.
"""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from checkouts import Checkout
from slurm_cluster import Cluster, Job, kill, slurm_cluster, until, values_after

RUNS = "results/runs/digits/demo/gr"
TARGET = "results/tables/gr/main_table.csv"

# Trainings of GR wait in their second epoch, each with its process's number in a file of its job's
# number, until they are told to stop or the folder of these files is gone.
HOLD = """
def hold(epoch: int) -> None:
    import contextlib
    import os
    import signal
    import time
    from pathlib import Path

    held = Path("held", os.environ["SLURM_JOB_ID"])
    if epoch != 2 or not held.parent.exists():
        return
    told = False

    def note(*arguments):
        nonlocal told
        told = True
        before(*arguments)

    before = signal.signal(signal.SIGTERM, note)
    with contextlib.suppress(FileNotFoundError):  # the folder may go just now
        held.write_text(str(os.getpid()))
    while held.exists() and not told:
        time.sleep(0.02)
    signal.signal(signal.SIGTERM, before)


class"""


@dataclass(frozen=True)
class Submitted:
    """A workflow that has run on the cluster."""

    checkout: Checkout
    jobs: list[Job]

    def trainings(self) -> list[Job]:
        return [job for job in self.jobs if job.what.startswith("rule_train_")]


def training(cluster: Cluster, held: Path, seed: int) -> str:
    """The number of the held job that trains with ``seed``; nothing if there is none."""
    what = f"Comment=rule_train_wildcards_digits_demo_gr_{seed} "
    for path in held.iterdir():
        # Nothing stands in a file that is just being written.
        if path.read_text() and what in cluster.description(path.name):
            return path.name
    return ""


def parent(process: Path) -> Path:
    """The process that started one; a process is its folder of /proc."""
    return process.with_name(values_after("PPid:\t", (process / "status").read_text()))


def disturb(cluster: Cluster, path: Path, alive) -> None:
    """The three faults, each once the run that it hits has a checkpoint."""
    held = path / "held"

    def training_process(number: str) -> Path:
        return Path("/proc", (held / number).read_text())

    def held_with_checkpoint(seed: int) -> str:
        checkpoint = path / f"data/checkpoints/digits/demo/gr/seed{seed}.pt"
        return checkpoint.exists() and training(cluster, held, seed)

    def wait(condition, what: str) -> None:
        until(condition, what, alive)

    wait(lambda: held_with_checkpoint(0) and held_with_checkpoint(1), "both runs trained")

    cancelled = training(cluster, held, 0)
    process = training_process(cancelled)
    assert b"-m\0snakemake" in (parent(process) / "cmdline").read_bytes(), (
        "a shell between Snakemake and training dies of SIGTERM, and the job before its state is saved"
    )
    cluster.ask("scancel", cancelled)
    wait(lambda: not process.exists(), "a cancelled job stopped")
    (held / cancelled).unlink()

    lost = training(cluster, held, 1)
    # What runs on a lost node is lost as well. Which processes these are is found out before: put
    # back in line, the job has the same number.
    processes = cluster.processes(lost)
    node = cluster.ask("squeue", "--noheader", "--format=%N", "--job", lost).strip()
    cluster.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    wait(lambda: cluster.state(lost) != "RUNNING", "a node was lost")
    kill(processes)
    cluster.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")

    wait(lambda: training(cluster, held, 0), "the cancelled job was tried again")
    limited = training(cluster, held, 0)
    process = training_process(limited)
    # The limit is a minute at least, but its end can be set; SLURM looks every half minute.
    cluster.ask("scontrol", "update", f"JobId={limited}", "EndTime=now+1")
    wait(lambda: not process.exists(), "a job that reached its time limit stopped")
    # In one step, so that no training writes a file into what is being deleted.
    held.rename(path / "held_no_more")


@pytest.fixture(scope="session")
def submitted(finished, once, tmp_path_factory) -> Submitted:
    def make(folder: Path) -> None:
        with slurm_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
            submit(finished.copy(folder), cluster)
            jobs = [asdict(job) for job in cluster.ended()]
        (folder / "jobs.json").write_text(json.dumps(jobs))

    folder = once("submitted", make)
    jobs = [Job(**values) for values in json.loads((folder / "jobs.json").read_text())]
    return Submitted(Checkout(folder), jobs)


def submit(checkout: Checkout, cluster: Cluster) -> None:
    """Make the target on the cluster, in spite of the faults."""
    checkout.edit("workflow/spml/losses/gr.py", "\nclass", HOLD)
    checkout.edit(
        "workflow/spml/losses/gr.py",
        "if_positive = positive_cost",
        "hold(epoch)\n        if_positive = positive_cost",
    )
    (checkout.path / "held").mkdir()
    command = [
        *(sys.executable, str(Path(__file__).with_name("impatient_snakemake.py")), TARGET),
        *("--workflow-profile", "workflow/profiles/slurm", *checkout.configuration),
        # What this cluster has not: accounts, a database, and a network file system.
        *("--slurm-no-account", "--slurm-status-command", "squeue", "--latency-wait", "5"),
        *("--slurm-init-seconds-before-status-checks", "1"),
        # One at a time within a group, so that two evaluations show how groups add up.
        *("--resources", "downloads=4", "together=1"),
    ]
    log = checkout.path / "submitted.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=checkout.path,
            env={**checkout.environment(), **cluster.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def alive() -> bool:
        assert process.poll() is None, log.read_text()
        return True

    try:
        disturb(cluster, checkout.path, alive)
        process.wait()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text()


def test_each_training_asks_for_one_gpu_its_memory_and_its_time_limit(submitted):
    asked = Counter((job.gpus, job.megabytes) for job in submitted.trainings())
    # Both runs at first, and the lost one again as it was; each retry of the other with more.
    assert asked == {(1, 1500): 3, (1, 3000): 1, (1, 4500): 1}
    ends = {job.state: job.minutes for job in submitted.trainings()}
    assert ends.pop("TIMEOUT") < 30
    assert set(ends.values()) == {30}


def test_no_other_job_asks_for_a_gpu(submitted):
    others = [job for job in submitted.jobs if job not in submitted.trainings()]
    assert {job.what.split("_wildcards")[0] for job in others} == {
        "rule_evaluations_evaluate",
        "rule_collect",
    }
    assert {job.gpus for job in others} == {0}


def test_evaluations_share_a_job_one_after_the_other(submitted):
    [group] = [job for job in submitted.jobs if job.what == "rule_evaluations_evaluate"]
    assert (group.minutes, group.megabytes) == (20, 1000)


def test_each_fault_has_ended_a_job_and_its_run_went_on(submitted):
    states = Counter(job.state for job in submitted.trainings())
    assert states == {"CANCELLED": 1, "TIMEOUT": 1, "NODE_FAIL": 1, "COMPLETED": 2}
    for seed, resumed in ((0, 2), (1, 1)):
        record = json.loads((submitted.checkout.path / RUNS / f"seed{seed}/run.json").read_text())
        assert record["resumed"] == resumed


def test_results_are_those_of_a_run_without_a_cluster(submitted, finished):
    names = [f"{RUNS}/seed{seed}/{name}" for seed in (0, 1) for name in (
        "metrics.json", "history.jsonl", "predictions.npz", "weights.pt"
    )]  # fmt: skip
    for name in (*names, TARGET):
        assert (submitted.checkout.path / name).read_bytes() == (
            finished.path / name
        ).read_bytes(), name
