"""A real SLURM cluster on this machine, in a folder of its own: for tests of the profile.

A controller and two nodes on the loopback address, each with four cores and a GPU that is not
there. Nothing outside the folder is written or read: a SLURM of this machine's own is not met.
"""

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NODES = ("node0", "node1")
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel")

CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is put back in line waits as long as its old credential holds.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# Cores that this machine may not have.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completions.txt
MinJobAge=300
ReturnToService=0
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=16000 Gres=gpu:1"


@dataclass(frozen=True)
class Job:
    """A job that has ended, or a part of one that was put back in line."""

    number: str
    what: str  # the executor's comment: rule and wildcards
    state: str
    minutes: int
    megabytes: int
    gpus: int


class Cluster:
    """A running cluster: what its commands need, and what it says of its jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Jobs take PATH along but lose SLURM_CONF, so the commands themselves know where it is.
        self.environment = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def ask(self, *command: str) -> str:
        """The output of one of SLURM's commands."""
        program = str(self.folder / "bin" / command[0])
        done = subprocess.run([program, *command[1:]], text=True, capture_output=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def state(self, number: str) -> str:
        command = ("squeue", "--noheader", "--states=all", "--format=%T", "--job", number)
        return self.ask(*command).strip()

    def description(self, number: str) -> str:
        """All that SLURM knows of a job, in one line."""
        return self.ask("scontrol", "--oneliner", "show", "job", number)

    def processes(self, number: str = "[0-9]+") -> list[int]:
        """What runs of a job, or of all."""
        found = []
        mine = str(self.folder / "bin").encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes()
                if mine in environment and re.search(
                    rf"\0SLURM_JOB_ID={number}\0".encode(), environment
                ):
                    found.append(int(process.name))
        return found

    def ended(self) -> list[Job]:
        """Every job in SLURM's completion log, which does not say what was asked for but given.

        It knows no GPUs without a database; those are in the controller's memory.
        """
        found = []
        for line in (self.folder / "completions.txt").read_text().splitlines():
            values = dict(word.split("=", 1) for word in line.split(" ") if "=" in word)
            number = values["JobId"]
            description = self.description(number)
            found.append(
                Job(
                    number=number,
                    what=values_after("Comment=", description),
                    state=values["JobState"],
                    minutes=int(values["TimeLimit"]),
                    megabytes=megabytes(values_after("mem=", values["Tres"])),
                    gpus=int(values_after("gres:gpu:", description) or 0),
                )
            )
        return found


def kill(processes: list[int]) -> None:
    """End processes as a power cut does: none of them is asked."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def values_after(key: str, text: str) -> str:
    """What follows ``key`` up to a blank or a comma; nothing where it is not there."""
    found = re.search(rf"{key}([^\s,]*)", text)
    return found[1] if found else ""


def megabytes(text: str) -> int:
    """Memory as SLURM writes it: 1500M, 1.50G."""
    return round(float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]])


def until(condition: Callable[[], object], what: str, alive: Callable[[], bool]) -> None:
    """Wait for a state, as long as what is to bring it about is alive."""
    while not condition():
        assert alive(), f"it ended before {what}"
        time.sleep(0.02)  # polls for the state; nothing depends on how long it takes


def find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def require_slurm() -> None:
    """Skip where SLURM is not installed; fail there if REQUIRE_SLURM says that it has to be."""
    missing = [program for program in DAEMONS + CLIENTS if find(program) is None]
    if not missing:
        return
    sentence = f"SLURM (packages slurm-wlm and munge) is not installed: no {', '.join(missing)}"
    if os.environ.get("REQUIRE_SLURM") == "1":
        pytest.fail(f"{sentence}, and REQUIRE_SLURM=1 says that this test has to run")
    pytest.skip(sentence)


def write_configuration(folder: Path) -> None:
    controller_port, *ports = free_ports(1 + len(NODES))
    nodes = [NODE.format(name=name, port=port) for name, port in zip(NODES, ports, strict=True)]
    text = CONFIGURATION.format(
        folder=folder,
        user=getpass.getuser(),
        controller_port=controller_port,
        nodes="\n".join(nodes),
    )
    (folder / "slurm.conf").write_text(text)
    gpus = [f"NodeName={name} Name=gpu File=/dev/null\n" for name in NODES]
    (folder / "gres.conf").write_text("".join(gpus))
    (folder / "munge.key").touch(0o600)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    for name in ("bin", "state", *(f"spool.{node}" for node in NODES)):
        (folder / name).mkdir()
    for program in CLIENTS:
        path = folder / "bin" / program
        path.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {find(program)} "$@"\n')
        path.chmod(0o755)


@contextmanager
def daemon(folder: Path, name: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """A server in the foreground, stopped at the end."""
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    command = [find(arguments[0]) or arguments[0], *arguments[1:]]
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Start the cluster in ``folder``, whose path has to be short and without blanks."""
    require_slurm()
    write_configuration(folder)
    cluster = Cluster(folder)
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    files |= {"log-file": "munged.log", "seed-file": "munged.seed"}
    munge = [f"--{option}={folder / file}" for option, file in files.items()]
    with ExitStack() as stack:
        servers = [stack.enter_context(daemon(folder, "munged", "munged", "-F", "--force", *munge))]

        def alive() -> bool:
            return all(server.poll() is None for server in servers)

        until((folder / "munge.socket").exists, "munged listened", alive)
        servers.append(stack.enter_context(daemon(folder, "slurmctld", "slurmctld", "-D", "-c")))
        for node in NODES:
            servers.append(stack.enter_context(daemon(folder, node, "slurmd", "-D", "-N", node)))

        def idle() -> bool:
            command = [str(folder / "bin/sinfo"), "--noheader", "--Node", "--format=%T"]
            done = subprocess.run(command, text=True, capture_output=True)
            return done.stdout.split() == ["idle"] * len(NODES)

        until(idle, "both nodes were idle", alive)
        try:
            yield cluster
        finally:
            cluster.ask("scancel", "--full", "--user", getpass.getuser())
            # Some leave the process tree by which this cluster finds what a job has started.
            kill(cluster.processes())
            until(lambda: not cluster.ask("squeue", "--noheader"), "all jobs ended", alive)
