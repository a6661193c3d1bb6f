"""Runs that are killed, asked to stop, repeated, or find a checkpoint that is not theirs."""

import contextlib
import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import OPTIONS
from spml import evaluate
from spml.data.labels import Labels, Split, save_labels
from spml.data.observation import Observation, save_observation
from spml.data.packed import save_packed
from spml.plumbing.checksums import verified, write_checksums
from spml.plumbing.errors import INTERRUPTED, UserError, run_command
from spml.plumbing.files import read_json
from spml.train import constant_classes, main, train
from spml.training.checkpoint import Checkpoint, differences
from spml.training.engine import Trainer
from spml.training.linear_init import HeadTrainer
from spml.training.models import build_classifier

ROWS, CLASSES = 36, 4
OUTPUTS = (
    *("history.jsonl", "predictions.npz", "trace.npz", "weights.pt"),
    *("entries.npy", "modified.npy"),
)
METHODS = {
    "an": {},
    "ll_cp": {"delta_rel": 5},
    "role": {"expected_positives": 1.5},
    "em_apl": {"alpha": 0.1, "beta": 0.2, "warmup_epochs": 1},
    "ll_r": {"delta_rel": 5},
}
FROZEN = "ll_r"  # the one that trains on features
PACKAGE = str(Path(__file__).parents[2] / "workflow/spml")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """The inputs of a run on made-up pictures in which class c is a bright quarter."""
    folder = tmp_path_factory.mktemp("inputs")
    draw = np.random.default_rng(0)
    truth = draw.random((ROWS, CLASSES)) < 0.4
    truth[~truth.any(axis=1), 0] = True
    images = draw.integers(0, 200, (ROWS, 8, 8, 1)).astype(np.uint8)
    for row, column in np.argwhere(truth):
        top, left = 4 * (column // 2), 4 * (column % 2)
        images[row, top : top + 4, left : left + 4] += 50
    split = Split(np.array([f"{row}.png" for row in range(ROWS)]), truth)
    save_labels(folder / "labels.npz", Labels(tuple("abcd"), split, split))
    observed = np.zeros((ROWS, CLASSES), dtype=np.int8)
    observed[np.arange(ROWS), truth.argmax(axis=1)] = 1
    rows = np.arange(ROWS)
    save_observation(folder / "observed.npz", Observation(rows[:24], rows[24:], observed))
    save_packed(folder / "manifest.json", {"train": images, "test": images})
    torch.manual_seed(0)
    backbone = build_classifier("digit_network", CLASSES).backbone
    torch.save(backbone.state_dict(), folder / "backbone.pt")
    np.save(folder / "features.npy", draw.random((ROWS, 64)).astype(np.float32))
    write_checksums(folder / "features.npy")
    return folder


def settings_of(method: str, **training) -> dict:
    options = {
        **OPTIONS,
        # The one with a first phase of its own: what that found is in the record afterwards.
        "linear_init": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01}
        if method == "role"
        else None,
        "frozen": method == FROZEN,
        "device": "cpu",
        "threads": 1,
    }
    return {
        "dataset": "made_up",
        "protocol": "test",
        "method": method,
        "seed": 0,
        "loss": method,
        "hyperparameters": METHODS[method],
        "observation": "single_positive",
        "architecture": "digit_network",
        "head": "linear",
        "images": {"mean": [0.4], "deviation": [0.3], "flip": True},
        "training": {**options, **training},
    }


def arguments_of(inputs: Path, folder: Path, frozen: bool = False, **machine) -> Namespace:
    return Namespace(
        labels=inputs / "labels.npz",
        observed=inputs / "observed.npz",
        images=None if frozen else inputs / "manifest.json",
        backbone=None if frozen else inputs / "backbone.pt",
        features=[inputs / "features.npy"] * 2,
        # Six milliseconds: about every other step is saved.
        machine={"checkpoint_minutes": 1e-4, **machine},
        checkpoint=folder / "checkpoint/seed0.pt",
        output=folder / "run",
    )


def train_and_send(settings, arguments, number: int, line: int, files: str) -> None:
    """Train in this process, and have it sent a signal at one of the package's lines.

    number: the signal. line: how many lines of the package run before, whatever thread they are of.
    files: how the names of the files begin whose lines count. Prints nothing; the number of lines
    of a whole run is left beside the run.
    """
    torch.set_num_threads(1)
    executed = 0

    def count(frame, event, argument):
        nonlocal executed
        if event == "line":
            executed += 1
            if executed == line:
                os.kill(os.getpid(), number)
        return count

    def watch(frame, event, argument):
        # Reading the imports of the package takes more lines than all the rest together.
        file = frame.f_code.co_filename
        return count if file.startswith(files) and "sources" not in file else None

    def counted() -> None:
        train(settings, arguments)
        sys.settrace(None)
        (arguments.output.parent / "lines").write_text(str(executed))

    threading.settrace(watch)
    sys.settrace(watch)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        run_command(counted)


@pytest.fixture(scope="module")
def start():
    """Runs :func:`train_and_send` in a process of its own that has torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["spml.train"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(PACKAGE).parent))
        patch.setenv("OMP_NUM_THREADS", "1")
        # A run goes on with the same instructions alone; this process has chosen its own long since.
        patch.setenv("ATEN_CPU_CAPABILITY", torch.backends.cpu.get_cpu_capability().lower())

        def run(
            settings, arguments, number: int = signal.SIGKILL, line: int = 0, files: str = PACKAGE
        ) -> int:
            process = context.Process(
                target=train_and_send, args=(settings, arguments, number, line, files)
            )
            process.start()
            process.join()
            assert process.exitcode is not None
            return process.exitcode

        yield run


def outputs(folder: Path) -> dict[str, bytes]:
    paths = [folder / "run" / name for name in OUTPUTS]
    return {path.name: path.read_bytes() for path in paths if path.exists()}


@pytest.mark.parametrize("method", METHODS)
def test_killed_five_times_and_finished_equals_undisturbed(method, inputs, start, tmp_path):
    settings = settings_of(method, record_entries=True)
    frozen = method == FROZEN
    assert start(settings, arguments_of(inputs, tmp_path / "whole", frozen)) == 0
    expected = outputs(tmp_path / "whole")
    assert set(expected) == set(OUTPUTS)
    assert np.load(tmp_path / "whole/run/entries.npy").shape == (3, 24, CLASSES)
    modified = np.load(tmp_path / "whole/run/modified.npy")
    assert modified.shape == (3, 24, 1)
    assert bool(modified.any()) == (method in ("ll_cp", "ll_r"))
    lines = int((tmp_path / "whole/lines").read_text())
    arguments = arguments_of(inputs, tmp_path / "killed", frozen)
    moments = random.Random(f"{method} is killed")
    kills = resumed = 0
    while kills < 5:
        # Loading takes about an eighth of a run's lines, so that most of these runs get on.
        code = start(settings, arguments, signal.SIGKILL, moments.randrange(lines * 2 // 3))
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        if code == 0:
            resumed += read_json(arguments.output / "run.json")["resumed"]
            assert outputs(tmp_path / "killed") == expected
    assert start(settings, arguments) == 0
    record = read_json(arguments.output / "run.json")
    assert resumed + record["resumed"] > 0, "no run went on from a checkpoint"
    assert outputs(tmp_path / "killed") == expected
    assert record["linear_init"] == read_json(tmp_path / "whole/run/run.json")["linear_init"]
    assert not list(arguments.checkpoint.parent.iterdir())


def interrupt(settings, inputs, start, folder, **machine) -> Namespace:
    """Leave the checkpoint of a run that was sent SIGTERM half way; return the run's arguments."""
    assert start(settings, arguments_of(inputs, folder / "whole", **machine)) == 0
    half = int((folder / "whole/lines").read_text()) // 2
    arguments = arguments_of(inputs, folder / "stopped", **machine)
    assert start(settings, arguments, signal.SIGTERM, half) == INTERRUPTED
    assert arguments.checkpoint.exists()
    return arguments


@pytest.fixture(scope="module")
def interrupted(inputs, start, tmp_path_factory) -> Path:
    """The checkpoint of a run of AN; tests do not change it."""
    return interrupt(settings_of("an"), inputs, start, tmp_path_factory.mktemp("an")).checkpoint


@pytest.fixture
def stopped(interrupted, inputs, tmp_path) -> Namespace:
    """The arguments of that run, with a copy of its checkpoint."""
    arguments = arguments_of(inputs, tmp_path / "stopped")
    arguments.checkpoint.parent.mkdir(parents=True)
    shutil.copy(interrupted, arguments.checkpoint)
    return arguments


def test_sigterm_saves_and_the_same_command_goes_on(inputs, start, tmp_path):
    settings = settings_of("ll_cp")
    # Nothing is saved within an epoch but for the signal, so that the state is that of its moment.
    arguments = interrupt(settings, inputs, start, tmp_path, checkpoint_minutes=1000)
    assert not arguments.output.exists()
    assert start(settings, arguments) == 0
    assert read_json(arguments.output / "run.json")["resumed"] == 1
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def test_goes_on_within_linear_init(inputs, start, tmp_path):
    """Asked to stop in the last but one epoch of the phase, then killed a few steps later."""
    phase = {"epochs": 6, "batch_size": 4, "learning_rate": 0.01}
    settings = settings_of("role", linear_init=phase)
    counted = {"files": f"{PACKAGE}/training/linear_init.py"}
    # Nothing is saved within an epoch but for the signal.
    arguments, whole = (
        arguments_of(inputs, tmp_path / name, checkpoint_minutes=1000)
        for name in ("stopped", "whole")
    )
    assert start(settings, whole, **counted) == 0
    lines = int((tmp_path / "whole/lines").read_text())
    assert start(settings, arguments, signal.SIGTERM, lines * 3 // 4, **counted) == INTERRUPTED
    stopped = torch.load(arguments.checkpoint, weights_only=True)["state"]["linear_init"]
    assert stopped["epoch"] == 5
    assert stopped["step"] > 0
    # Now every step is saved.
    arguments.machine["checkpoint_minutes"] = 0
    assert start(settings, arguments, signal.SIGKILL, lines // 5, **counted) == -signal.SIGKILL
    killed = torch.load(arguments.checkpoint, weights_only=True)["state"]["linear_init"]
    assert (killed["epoch"], killed["step"]) > (stopped["epoch"], stopped["step"])
    assert start(settings, arguments, **counted) == 0
    record = read_json(arguments.output / "run.json")
    assert record["resumed"] == 2
    assert record["linear_init"] == read_json(tmp_path / "whole/run/run.json")["linear_init"]
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def test_checkpoint_of_another_configuration_is_refused_or_discarded(stopped):
    changed = settings_of("an", learning_rate=0.02, batch_size=9)
    with pytest.raises(UserError) as refusal:
        train(changed, stopped)
    assert str(refusal.value) == (
        f"checkpoint {stopped.checkpoint} is of another configuration; different are "
        "training.batch_size (was 8, is 9), training.learning_rate (was 0.01, is 0.02); restore "
        "them to go on, or delete the file to start over "
        "(all such files: machine.other_checkpoints: discard)"
    )
    assert stopped.checkpoint.exists()
    stopped.machine["other_checkpoints"] = "discard"
    train(changed, stopped)
    assert read_json(stopped.output / "run.json")["resumed"] == 0


def test_changed_inputs_and_code_are_named(stopped, inputs, tmp_path):
    other = tmp_path / "observed.npz"
    with np.load(inputs / "observed.npz") as arrays:
        save_observation(other, Observation(arrays["train"], arrays["val"], -arrays["observed"]))
    stopped.observed = other
    with pytest.raises(UserError, match=r"different are inputs\.observed; restore"):
        train(settings_of("an"), stopped)
    saved = {"code": {"spml/losses/an.py": "1", "spml/training/engine.py": "2"}, "seed": 0}
    now = {"code": {"spml/losses/an.py": "3", "spml/training/engine.py": "2"}, "seed": 0}
    assert differences(saved, now) == ["code.spml/losses/an.py"]


def test_identity_covers_the_loss_of_the_run_and_no_other(interrupted):
    saved = torch.load(interrupted, weights_only=True)
    identity = json.loads(saved["identity"])
    assert identity["instructions"] == torch.backends.cpu.get_cpu_capability()
    code = identity["code"]
    assert {"spml/losses/an.py", "spml/losses/base.py", "spml/training/engine.py"} <= set(code)
    assert "spml/losses/gr.py" not in code


def test_broken_checkpoint_is_a_sentence(tmp_path):
    path = tmp_path / "seed0.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"checkpoint .*seed0\.pt cannot be read .*delete it"):
        Checkpoint(path, {}).load()


def test_remains_of_a_killed_writer_are_removed_and_those_of_others_are_not(tmp_path):
    for name in (".seed1-abc.pt", ".seed10-abc.pt"):
        (tmp_path / name).touch()
    assert Checkpoint(tmp_path / "seed1.pt", {}).load() is None
    assert [path.name for path in tmp_path.iterdir()] == [".seed10-abc.pt"]


def test_what_is_written_is_the_state_at_the_time_of_saving(tmp_path):
    checkpoint = Checkpoint(tmp_path / "seed0.pt", {})
    tensor = torch.zeros(1000)
    for value in range(5):
        checkpoint.save({"tensor": tensor.fill_(value)})
        tensor.fill_(-1)
    checkpoint.finish()
    assert (Checkpoint(tmp_path / "seed0.pt", {}).load()["tensor"] == 4).all()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte of its own."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_full_disk_stops_with_a_sentence_and_leaves_the_checkpoint_before(small_disk):
    path = small_disk / "seed0.pt"
    checkpoint = Checkpoint(path, {})
    checkpoint.save({"step": 1}, wait=True)
    with pytest.raises(UserError, match=r"seed0\.pt could not be written: No space left on device"):
        checkpoint.save({"step": torch.zeros(300_000)}, wait=True)
    assert Checkpoint(path, {}).load() == {"step": 1}
    # Where nobody waits, the next save says so.
    checkpoint.save({"step": torch.zeros(300_000)})
    with pytest.raises(UserError, match="free some space and start again"):
        checkpoint.save({"step": 3})
    assert [file.name for file in small_disk.iterdir()] == ["seed0.pt"]


def test_full_disk_is_told_from_what_torch_says_about_it(tmp_path, monkeypatch):
    def fail(value, file):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904 - as torch does

    monkeypatch.setattr(torch, "save", fail)
    (tmp_path / "seed0.pt").write_bytes(b"before")
    with pytest.raises(UserError, match="could not be written: No space left on device"):
        Checkpoint(tmp_path / "seed0.pt", {}).save({}, wait=True)
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("seed0.pt", b"before")]


def test_state_that_no_memory_holds_is_refused_at_the_start(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("spml.train.device_memory", lambda device: 95)  # of 24 x 4 bytes
    refusal = r"method ll_cp keeps .* about 24 examples of 4 classes, but .*; use one with more"
    with pytest.raises(UserError, match=refusal):
        train(settings_of("ll_cp"), arguments_of(inputs, tmp_path))
    monkeypatch.setattr("spml.train.device_memory", lambda device: 96)
    train(settings_of("ll_cp"), arguments_of(inputs, tmp_path))


@pytest.mark.parametrize(
    ("method", "state", "kept"), [("role", "estimator", True), ("ll_cp", "corrected", False)]
)
def test_only_estimates_of_role_outlive_linear_init(
    inputs, tmp_path, monkeypatch, method, state, kept
):
    """LL-Cp corrects labels in the first phase too, and then begins anew, with an epoch of AN."""
    found = {}

    class WatchedTrainer(Trainer):
        def __init__(self, classifier, loss, *others, **named):
            found[state] = loss.state_dict()[state].clone()
            super().__init__(classifier, loss, *others, **named)

    class MarkingHeadTrainer(HeadTrainer):
        def run(self):
            result = super().run()
            self.loss.state_dict()[state].fill_(1)  # as if it had learnt that of each entry
            return result

    monkeypatch.setattr("spml.train.Trainer", WatchedTrainer)
    monkeypatch.setattr("spml.train.HeadTrainer", MarkingHeadTrainer)
    phase = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01}
    train(settings_of(method, linear_init=phase), arguments_of(inputs, tmp_path))
    assert bool((found[state] == 1).all()) is kept


def evaluate_run(inputs: Path, run: Path, monkeypatch) -> bytes:
    """The metrics.json that the stage after training makes."""
    command = {
        "history": run / "history.jsonl",
        "predictions": run / "predictions.npz",
        "checksums": run / "run.sha256",
        "labels": inputs / "labels.npz",
        "observed": inputs / "observed.npz",
        "selection": "clean",
        "output": run / "metrics.json",
    }
    flags = [word for name, value in command.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["evaluate", *flags])
    evaluate.main()
    return verified(run / "metrics.json").read_bytes()


def test_metrics_are_the_same_whoever_reads_the_images(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    files = []
    for workers in (0, 1, 4):
        arguments = arguments_of(inputs, tmp_path, workers=workers, resident_megabytes=0)
        try:
            train(settings_of("ll_cp", deterministic=True), arguments)
        finally:
            torch.use_deterministic_algorithms(False)
        metrics = evaluate_run(inputs, arguments.output, monkeypatch)
        files.append(outputs(tmp_path) | {"metrics": metrics})
    assert read_json(arguments.output / "run.json")["deterministic"] is True
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("record_entries", [False, True])
def test_what_a_run_leaves_has_checksums(inputs, tmp_path, record_entries):
    arguments = arguments_of(inputs, tmp_path)
    train(settings_of("an", record_entries=record_entries), arguments)
    left = {path.name for path in arguments.output.iterdir()} - {"run.sha256"}
    for name in ("entries.npy", "modified.npy"):
        epochs, rows, _ = np.load(arguments.output / name).shape
        assert (epochs > 0, rows > 0) == (record_entries, record_entries)
    for name in left:
        verified(arguments.output / name, arguments.output / "run.sha256")


@pytest.mark.parametrize("name", ["history.jsonl", "predictions.npz"])
def test_run_of_which_something_was_lost_is_not_evaluated(inputs, tmp_path, monkeypatch, name):
    """A history without its last line is as good to read as before."""
    arguments = arguments_of(inputs, tmp_path)
    train(settings_of("an"), arguments)
    path = arguments.output / name
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UserError, match=rf"{name} is not as it was written"):
        evaluate_run(inputs, arguments.output, monkeypatch)
    path.write_bytes(b"".join(lines))
    evaluate_run(inputs, arguments.output, monkeypatch)


@pytest.mark.parametrize("constant", [False, True])
def test_run_tells_that_its_scores_do_not_depend_on_the_picture(inputs, tmp_path, capsys, constant):
    """Placeholders in place of all pictures, as of a dataset that is gone."""
    shutil.copytree(inputs, tmp_path / "inputs")
    if constant:
        grey = np.full((ROWS, 8, 8, 1), 99, dtype=np.uint8)
        save_packed(tmp_path / "inputs/manifest.json", {"train": grey, "test": grey})
    arguments = arguments_of(tmp_path / "inputs", tmp_path)
    train(settings_of("an"), arguments)
    assert read_json(arguments.output / "run.json")["constant_scores"] == CLASSES * constant
    said = f"made_up/test/an/seed0: the validation scores of {CLASSES} of {CLASSES} classes are the"
    assert (said in capsys.readouterr().err) == constant


def test_scores_are_constant_but_for_the_last_bits():
    scores = np.array([[0.5, 1e-9, 0.25], [0.5 + 2**-24, 2e-9, 0.25]], dtype=np.float32)
    assert constant_classes(scores) == 2
    assert constant_classes(scores[:1]) == 0


def test_run_takes_the_prior_that_another_has_found(inputs, tmp_path, monkeypatch):
    def partial(mode: str) -> dict:
        return {**settings_of("an"), "loss": "p_asl", "hyperparameters": {"mode": mode}}

    first, others = arguments_of(inputs, tmp_path / "ignore"), tmp_path / "selective"
    train(partial("ignore"), first)
    found = read_json(first.output / "run.json")["findings"]["prior"]
    assert len(found) == CLASSES
    assert all(0 < value < 1 for value in found)
    given = vars(arguments_of(inputs, others))
    flags = {name: given[name] for name in ("labels", "observed", "images", "backbone", "output")}
    flags |= {"settings": json.dumps(partial("selective")), "prior": first.output / "run.json"}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["train", *words])
    main()
    record = read_json(others / "run/run.json")
    assert record["settings"]["hyperparameters"] == {"mode": "selective", "prior": found}
    assert record["findings"] == {}
    # The second has found none.
    words[-1] = str(others / "run/run.json")
    monkeypatch.setattr(sys, "argv", ["train", *words])
    with pytest.raises(
        UserError, match=r"method an: the run in \S+ has found no prior; name a method"
    ):
        main()
