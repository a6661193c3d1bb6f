"""What goes wrong while the workflow runs: the next run ends as if nothing had, or says why not.

Which job, byte or moment is hit is drawn from a fixed seed. A moment is a number of things that are
there, not a time, so a slow machine sees the same faults.
"""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkouts import ROOT, Checkout
from mutations import KINDS, mutate
from PIL import Image
from snakemake.utils import update_config
from spml.data.labels import Labels, Split, save_labels
from spml.planning import configuration, preflight, shown, stage_settings
from spml.planning.grids import expand
from spml.plumbing.errors import UserError

SEED = 20240607
FEW = ("--configfile", "tests/workflow/faults.yaml", "--")
PROFILE = (
    *("--workflow-profile", "workflow/profiles/default"),
    # Snakemake ends that long after its last job.
    *("--max-jobs-per-timespan", "1000/1s"),
)
RUNS = "results/runs/digits/demo"
METRICS = [f"{RUNS}/{method}/seed0/metrics.json" for method in ("an", "gr")]
# For lost files of a run, of which nothing is to be made, as the default target has them.
CHECKSUMS = [path.replace("metrics.json", "run.sha256") for path in METRICS]
PRODUCTS = (
    *METRICS,
    *(f"results/exhibits/gr/main_table.{suffix}" for suffix in ("csv", "md", "tex", "caption.txt")),
    "results/tables/gr/main_table.csv",
    "results/comparisons/gr/main_table/digits/demo.csv",
)
EXHIBITS = [path.stem for path in (ROOT / "workflow/spml/exhibits").glob("[a-z]*_*.py")]
INPUTS = (
    *("results/labels/digits.npz", "results/observed/digits/demo/single_positive.npz"),
    *("data/packed/digits/manifest.json", "results/backbones/digit_network.pt"),
)
NAMES = ("datasets", "protocols", "methods", "sweeps", "exhibits", "config")


@pytest.fixture
def draw(request) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def few(finished, once) -> Checkout:
    """A finished checkout with only two runs selected, and their table; tests do not change it."""
    configuration = (*FEW, "gr_main_table", *METRICS, *CHECKSUMS)

    def make(path: Path) -> None:
        replace(finished.copy(path), configuration=configuration).snakemake()

    return Checkout(once("few", make), configuration)


@pytest.fixture
def disturbed(few, tmp_path) -> Checkout:
    """A finished checkout of the test's own."""
    return few.copy(tmp_path / "checkout")


def only(checkout: Checkout, *targets: str) -> Checkout:
    """The same checkout, with some of what is selected as targets."""
    return replace(checkout, configuration=(*FEW, *targets))


def products(checkout: Checkout) -> dict[str, bytes]:
    return {name: (checkout.path / name).read_bytes() for name in PRODUCTS}


def is_as_if_undisturbed(few: Checkout, checkout: Checkout) -> None:
    """The products are the same bytes, nothing is left to be done, and nothing lies about."""
    assert products(checkout) == products(few)
    assert "Nothing to be done" in checkout.ask("-n")
    left = [path for path in checkout.path.glob("results/**/.*") if path.is_file()]
    assert not left
    assert not list(checkout.path.glob("data/checkpoints/**/*.*"))


def forget(checkout: Checkout, *folders: str) -> None:
    for folder in folders:
        shutil.rmtree(checkout.path / folder)


def start(checkout: Checkout, *arguments: str) -> subprocess.Popen:
    """Snakemake with a process group of its own."""
    return subprocess.Popen(
        checkout.command(*PROFILE, *arguments, *checkout.configuration),
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> bool:
    """Poll until ``condition`` holds; False where the process ended before it did."""
    while not condition():
        if process.poll() is not None:
            return False
        time.sleep(0.02)  # nothing depends on how long it takes
    return True


def below(pid: int) -> list[tuple[int, list[bytes]]]:
    """Processes that descend from one, with the words of their commands."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        try:
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                waiting += [int(child) for child in task.read_text().split()]
            words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        found.append((parent, words))
    return found


def jobs(process: subprocess.Popen) -> list[int]:
    """Processes below Snakemake that run a stage."""
    return [
        pid
        for pid, words in below(process.pid)
        if words[1:2] == [b"-m"] and words[2].startswith(b"spml.")
    ]


def last_words(checkout: Checkout, logs: str = "results/logs") -> list[str]:
    """The last line of the log of each job that failed; no stack trace may stand before it."""
    words = []
    for path in sorted(checkout.path.glob(f"{logs}/**/*.log")):
        text = path.read_text()
        assert "Traceback" not in text, text
        lines = text.strip().splitlines()
        if lines and lines[-1].startswith("error: "):
            words.append(lines[-1])
    return words


# --- killed ---------------------------------------------------------------------------------------


def test_workflow_killed_again_and_again_ends_as_if_undisturbed(few, disturbed, draw):
    """SIGKILL to Snakemake and all its jobs, each time a random number of files later."""
    forget(disturbed, "results", "data", ".snakemake")

    def made() -> int:
        return sum(
            len(files)
            for folder in ("results", "data")
            for _, _, files in os.walk(disturbed.path / folder)
        )

    def more_than(number: int) -> bool:
        return made() > number

    kills = 0
    while True:
        process = start(disturbed)
        later = draw.randint(12, 22)  # of some fifty in all
        killed = wait_for(partial(more_than, made() + later), process)
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if not killed:
            break
        disturbed.ask("--unlock")
    assert kills >= 2
    assert process.returncode == 0
    is_as_if_undisturbed(few, disturbed)


def test_killed_job_is_made_by_the_next_run(few, disturbed, draw):
    """One training is killed, and with --keep-going the other goes on."""
    forget(disturbed, "results/runs")
    number = draw.randint(1, 2)
    seen: set[int] = set()

    def found() -> bool:
        seen.update(jobs(process))
        return len(seen) >= number

    process = start(disturbed)
    assert wait_for(found, process)
    os.kill(max(jobs(process)), signal.SIGKILL)
    assert process.wait() == 1
    disturbed.snakemake(*PROFILE)
    is_as_if_undisturbed(few, disturbed)


def pack_command(folder: Path) -> list[str]:
    """The stage that has workers of its own, on photographs that all are the same one."""
    images = folder / "raw/VOC2012/JPEGImages"
    if not images.exists():
        images.mkdir(parents=True)
        noise = np.random.default_rng(SEED).integers(0, 256, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / "0.jpg")
        for number in range(1, 128):
            os.link(images / "0.jpg", images / f"{number}.jpg")
        names = np.array([f"{number}.jpg" for number in range(128)])
        split = Split(names, np.ones((len(names), 1), dtype=bool))
        save_labels(folder / "labels.npz", Labels(("noise",), split, split))
    command = [sys.executable, "-m", "spml.pack", "--dataset", "voc2012", "--size", "64"]
    for key in ("raw", "labels.npz", "manifest.json"):
        command += [f"--{key.partition('.')[0]}", str(folder / key)]
    return [*command, "--processes", "2"]


def test_killed_worker_is_a_sentence_and_what_it_did_is_kept(tmp_path, draw):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}

    def pack(folder: Path) -> subprocess.Popen:
        return subprocess.Popen(
            pack_command(folder), env=environment, stderr=subprocess.PIPE, text=True
        )

    (tmp_path / "whole").mkdir()
    (tmp_path / "hit").mkdir()
    with pack(tmp_path / "whole") as process:
        process.communicate()
    assert process.returncode == 0
    with pack(tmp_path / "hit") as process:

        def workers() -> list[int]:
            return [pid for pid, words in below(process.pid) if b"--multiprocessing-fork" in words]

        assert wait_for(lambda: len(workers()) == 2, process)
        os.kill(draw.choice(workers()), signal.SIGKILL)
        _, words = process.communicate()
    assert process.returncode == 1
    assert "error: a process that packs " in words
    assert "Traceback" not in words
    assert not (tmp_path / "hit/manifest.json").exists()
    assert not (tmp_path / "hit/train.npy").exists()
    subprocess.run(pack_command(tmp_path / "hit"), env=environment, check=True, capture_output=True)
    for name in ("manifest.json", "train.npy", "test.npy"):
        assert (tmp_path / "hit" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_interrupt_while_a_stage_is_being_imported_prints_nothing():
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    with subprocess.Popen(
        [sys.executable, "-m", "spml.train", "--help"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        assert wait_for(lambda: "libtorch" in maps.read_text(), process)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert printed == b""


# --- disks and folders ----------------------------------------------------------------------------


def run_mounted(checkout: Checkout, script: str) -> None:
    """Run a shell script that may mount; what it mounts is seen by it alone."""
    unshare = ("unshare", "--map-root-user", "--mount")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting needs root or user namespaces, and this machine allows neither")
    run = shlex.join(checkout.command(*PROFILE, *checkout.configuration))
    done = subprocess.run(
        [*unshare, "bash", "-euc", f"set -o pipefail\nrun() {{ {run} 2>&1; }}\n{script}"],
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_disk_that_is_read_only_or_full_is_named_and_the_next_run_goes_on(few, disturbed, draw):
    """Where no folder can be made Snakemake itself fails, before a job and with a trace; its last line counts."""
    folder = f"{RUNS}/gr"
    forget(disturbed, folder)
    (disturbed.path / folder).mkdir()
    kilobytes = draw.randrange(16, 96, 4)
    run_mounted(
        disturbed,
        f"""
        mount --bind {folder} {folder}
        mount -o remount,bind,ro {folder}
        if run >printed; then exit 1; fi
        umount {folder}
        mount -t tmpfs -o size={kilobytes}k tmpfs {folder}
        if run; then exit 1; fi
        test -z "$(find {folder} -type f -name weights.pt -size -8k)"
        cp -r results/logs logs_of_the_full_disk
        mount -o remount,size=100m {folder}
        run
        cp -a {folder} kept
        """,
    )
    forget(disturbed, folder)
    (disturbed.path / "kept").rename(disturbed.path / folder)
    *_, last, outcome = (disturbed.path / "printed").read_text().strip().splitlines()
    assert f"Read-only file system: '{folder}/" in last
    assert outcome.endswith("the same command goes on.")
    words = last_words(disturbed, "logs_of_the_full_disk")
    assert words
    assert all("could not be written: No space left on device" in word for word in words)
    is_as_if_undisturbed(few, disturbed)


# --- files ----------------------------------------------------------------------------------------


def test_input_that_vanishes_while_a_job_runs(few, disturbed, draw):
    forget(disturbed, f"{RUNS}/gr")
    process = start(disturbed)
    assert wait_for(lambda: jobs(process), process)
    (disturbed.path / draw.choice(INPUTS)).unlink()
    process.wait()
    last_words(disturbed)
    disturbed.snakemake(*PROFILE)
    is_as_if_undisturbed(few, disturbed)


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        ((f"{RUNS}/gr/seed0/predictions.npz", f"{RUNS}/an/seed0/history.jsonl"), METRICS),
        (("results/backbones/digit_network.pt",), METRICS[1:]),
    ],
)
def test_output_that_was_cut_is_named_or_made_again(few, disturbed, draw, names, targets):
    """What is read again is; the next run stops with its name, and after it is deleted goes on."""
    for name in names:
        path = disturbed.path / name
        path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])
    only(disturbed, *targets).snakemake(*PROFILE, fails=True)
    words = last_words(disturbed)
    for name in names:
        assert any(name in word for word in words), words
        (disturbed.path / name).unlink()
    disturbed.snakemake(*PROFILE)
    is_as_if_undisturbed(few, disturbed)
    for name in names:
        assert (disturbed.path / name).read_bytes() == (few.path / name).read_bytes(), name


READERS = {
    "results/tables/gr/ablation.csv": "gr_ablation",
    "results/comparisons/gr/main_table/digits/demo.csv": "gr_main_table",
    "results/exhibits/ll/corrections.csv": "extra_claims",
    "results/exhibits/gr/class_counts.png": "report",
}
PRINTED = "results/exhibits/gr/dataset_statistics.md"  # which no stage reads here


def cut_at_a_line_end(path: Path, draw: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: draw.randrange(1, len(lines))]))


def test_half_a_table_is_never_taken_for_a_whole_one(finished, checkout, draw):
    """Each reader names the file that was cut; once they are deleted all are the same bytes again."""
    for name in (*READERS, PRINTED):
        cut_at_a_line_end(checkout.path / name, draw)
    sentences = {
        f"error: {name} is not as it was written (its checksum differs); delete it and start "
        "again: it is made anew"
        for name in (*READERS, PRINTED)
    }
    (checkout.path / "few.yaml").write_text(
        "select: { exhibits: [gr_class_counts, ll_corrections] }"
    )
    targets = ("few.yaml", "--", *READERS.values(), "gr_dataset_statistics")
    checkout = replace(checkout, configuration=(*checkout.configuration, *targets))
    show = subprocess.run(
        [sys.executable, "-m", "spml.show", "gr_dataset_statistics"],
        cwd=checkout.path,
        env={**checkout.environment(), "PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
    )
    checkout.snakemake(*PROFILE, fails=True)
    assert {*last_words(checkout), show.stderr.strip()} == sentences
    for name in (*READERS, PRINTED):
        (checkout.path / name).unlink()
    checkout.snakemake(*PROFILE)
    for pattern in ("exhibits/gr/*", "exhibits/ll/*", "tables/**/*.*", "comparisons/**/*.*"):
        for path in finished.path.glob(f"results/{pattern}"):
            made = checkout.path / path.relative_to(finished.path)
            assert made.read_bytes() == path.read_bytes(), made


def test_clock_that_was_set_back_an_hour_is_a_sentence(few, disturbed, draw):
    """What was made before lies in the future then, and what is made now is older than it."""
    for path in disturbed.path.glob("**/*"):
        if path.is_file() and ".snakemake" not in path.parts and draw.random() < 0.7:
            when = path.stat().st_mtime + 3600
            os.utime(path, (when, when))
    assert "Nothing to be done" in disturbed.ask("-n")
    (disturbed.path / METRICS[1]).unlink()
    printed = only(disturbed, METRICS[1]).snakemake(*PROFILE, fails=True)
    assert "This could indicate a clock skew problem" in printed
    assert "Traceback" not in printed
    for path in disturbed.path.glob("**/*"):
        if path.is_file() and path.stat().st_mtime > time.time():
            path.touch()
    only(disturbed, METRICS[1]).snakemake(*PROFILE)
    is_as_if_undisturbed(few, disturbed)


# --- configuration --------------------------------------------------------------------------------


def shipped(changed: Mapping[str, Path]) -> list[Path]:
    """The configuration files, some of them replaced."""
    return [changed.get(name, ROOT / f"config/{name}.yaml") for name in NAMES]


def verdict(changed: Mapping[str, Path]) -> str:
    """What the checks say about the shipped configuration with files replaced; empty if nothing."""
    try:
        preflight.check(shipped(changed))
    except UserError as error:
        return str(error)
    return ""


def plan(changed: Mapping[str, Path]) -> None:
    """Resolve all that the rules ask of a configuration."""
    config: dict = {}
    for path in shipped(changed):
        update_config(config, yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
    config = expand(config)
    assert {*EXHIBITS} <= {*config["exhibits"]}
    assert {"compose", "pretrain"} <= {*config["datasets"]["digits"]}
    for exhibit in config["exhibits"]:
        stage_settings.exhibit_settings(config, exhibit)
        shown.compared_pairs(config, exhibit)
    stage_settings.report_settings(config)
    stage_settings.describe_settings(config)
    for run in shown.reported_runs(config):
        configuration.run_settings(config, *run)
        observation = configuration.observation_of(config, run.protocol, run.method)
        configuration.observe_settings(config, run.protocol, observation)


def test_mistakes_in_the_configuration_are_sentences(tmp_path):
    """200 files with one random mistake each; what passes the checks can be planned."""
    outcomes: Counter[tuple[str, bool]] = Counter()
    for number in range(200):
        draw = random.Random(f"{SEED} {number}")
        name = draw.choice(NAMES)
        kind, text = mutate(ROOT / f"config/{name}.yaml", draw)
        changed = tmp_path / f"{number}.yaml"
        changed.write_text(text, encoding="utf-8")
        sentence = verdict({name: changed})
        outcomes[kind, bool(sentence)] += 1
        if sentence:
            assert re.fullmatch(r"\S.{10,}", sentence), number
        else:
            plan({name: changed})
    for kind in KINDS:
        assert outcomes[kind, True] >= 5, outcomes


def mistake(draw: random.Random, changed: Path) -> tuple[str, str]:
    """Write a shipped file with a mistake that the checks find; its name, and what they say."""
    while True:
        name = draw.choice(NAMES)
        _, text = mutate(ROOT / f"config/{name}.yaml", draw)
        changed.write_text(text, encoding="utf-8")
        if sentence := verdict({name: changed}):
            return name, sentence.replace(str(changed), f"config/{name}.yaml")


@pytest.mark.parametrize("number", range(4))
def test_snakemake_prints_that_sentence_alone(pristine, tmp_path, draw, number):
    changed = tmp_path / "changed.yaml"
    name, sentence = mistake(draw, changed)
    checkout = replace(pristine.copy(tmp_path / "checkout"), configuration=())
    changed.rename(checkout.path / f"config/{name}.yaml")
    where, printed, *rest = checkout.ask("-n", fails=True).strip().splitlines()
    assert where.startswith("WorkflowError in file ")
    assert printed == sentence
    assert len(rest) == 1  # where it was raised, as Snakemake tells it
