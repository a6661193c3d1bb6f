"""The package in somebody else's program: a method in one call, and nothing else touched."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import spml
import torch
from spml.library import method_values
from spml.losses import loss_class
from spml.planning.configuration import resolve_method
from spml.planning.files import read

ROOT = Path(__file__).parents[2]
METHODS = read(ROOT / "config/methods.yaml")["methods"]


def batch(rows: int = 6, classes: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.linspace(-3, 3, rows * classes).view(rows, classes)
    observed = torch.zeros(rows, classes, dtype=torch.int8)
    observed[torch.arange(rows), torch.arange(rows)] = 1
    return logits, observed


def test_one_call_has_the_values_for_a_dataset():
    """Those that config/methods.yaml gives, with the place that they come from."""
    loss = spml.method("gr", dataset="coco", num_classes=80, num_examples=82081, total_epochs=8)
    assert loss.schedule(1) | {"mu": 0, "sigma": 0} == {"w": 0, "b": -2, "mu": 0, "sigma": 0}
    assert (loss.w_ends, loss.b_ends, loss.q2, loss.q3) == ((0, 10), (-2, -8), 0.01, 1)
    assert spml.method("gr", dataset="cub", num_classes=312, total_epochs=8).q3 == 1.5
    assert spml.method("gr", num_classes=20, total_epochs=8).w_ends == (0, 2)
    rate = [spml.method("ll_r", num_classes=20, dataset=d).rate for d in ("voc", "coco")]
    assert [float(each) for each in rate] == [0.002, 0.004]
    of_gr = spml.method("ll_r", num_classes=20, dataset="voc", protocol="gr")
    assert float(of_gr.rate) == 0.005


# What depends on the labels, so that no definition can give it.
OF_THE_LABELS = {"partial_bce_global": {"known_proportion": 0.1}}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_the_loss_that_the_workflow_trains(name):
    for dataset in ("digits", "voc", "coco", "nus", "cub"):
        wanted = resolve_method({"methods": METHODS}, name, dataset)
        assert method_values(name, dataset=dataset) == (wanted["loss"], wanted["hyperparameters"])
        given = OF_THE_LABELS.get(name, {})
        loss = spml.method(
            name, dataset=dataset, num_classes=20, num_examples=9, total_epochs=8, **given
        )
        assert type(loss) is loss_class(wanted["loss"])
        logits, observed = batch()
        assert loss(logits, observed, index=torch.arange(6), epoch=3).isfinite()


def test_own_values_go_first():
    loss = spml.method("gr", dataset="coco", num_classes=20, total_epochs=8, q3=0.7)
    assert (loss.q3, loss.w_ends) == (0.7, (0, 10))
    assert spml.method("epr", num_classes=20, expected_positives=3).expected_positives == 3


def test_loss_without_memory_and_schedule_needs_neither_rows_nor_epochs():
    logits, observed = batch()
    asl = spml.method("asl", num_classes=20)
    assert asl(logits, observed).isfinite()


@pytest.mark.parametrize(
    ("sentence", "name", "given"),
    [
        (r"^name: unknown 'l_r' \(did you mean 'll_r'\?\); known: .*ll_cp", "l_r", {}),
        (r"^name: unknown None; known: bce", None, {}),
        (r"^dataset: unknown 'cocoa' \(did you mean 'coco'\?\); known: .*voc", "gr", {"dataset": "cocoa"}),
        (r"^protocol: unknown 'grr' \(did you mean 'gr'\?\)", "gr", {"protocol": "grr"}),
        (r"^total_epochs: is missing", "gr", {}),
        (r"^num_examples: is missing", "ll_cp", {"total_epochs": 8}),
        (r"^expected_positives: missing hyperparameter of epr", "epr", {}),
        (r"^q4: unknown hyperparameter of gr; allowed: beta", "gr", {"total_epochs": 8, "q4": 1}),
        (r"^num_classes: must be at least 1", "an", {"num_classes": 0}),
    ],
)  # fmt: skip
def test_mistake_is_a_sentence(sentence, name, given):
    with pytest.raises(ValueError, match=sentence):
        spml.method(name, **{"num_classes": 20, **given})


def test_package_has_no_other_names():
    with pytest.raises(AttributeError, match="has no attribute 'methods'"):
        spml.methods  # noqa: B018 - asking for it is the test


STATE = """
import gc, json, signal, sys
import spml.losses
heavy = {"torch", "sklearn", "pandas", "scipy", "yaml"} & set(sys.modules)
plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(json.dumps({"heavy": sorted(heavy), "gc": gc.isenabled(), "interrupt": plain}))
"""


@pytest.mark.parametrize("how", ["-c", "-m"])
def test_program_that_imports_the_package_is_left_as_it_is(tmp_path, how):
    """Also where it is run as `python -m theirs.train`, as stages of the workflow are."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/__init__.py").write_text("import spml\n")
    (tmp_path / "theirs/train.py").write_text(STATE)
    done = subprocess.run(
        [sys.executable, how, {"-c": STATE, "-m": "theirs.train"}[how], "-m"],
        env={"PYTHONPATH": f"{ROOT / 'workflow'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"heavy": [], "gc": True, "interrupt": True}


def test_stage_of_the_workflow_starts_otherwise(tmp_path):
    """Or the test above would hold where nothing is ever set."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, gc, signal\n"
        "interrupt = lambda: signal.getsignal(signal.SIGINT) is signal.SIG_DFL\n"
        "atexit.register(lambda: print(gc.isenabled(), interrupt()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "spml.losses"],  # a package that cannot be run: nothing follows
        env={"PYTHONPATH": f"{ROOT / 'workflow'}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False True\n"


def lightning_block() -> str:
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(# lightning_module\.py\n.*?)```", text, re.DOTALL)
    return block


def test_module_for_lightning_is_python():
    compile(lightning_block(), "lightning_module.py", "exec")


def test_module_for_lightning_trains():
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed")
    namespace: dict = {}
    exec(lightning_block(), namespace)
    features = torch.randn(64, 16)
    observed = torch.zeros(64, 5, dtype=torch.int8)
    observed[torch.arange(64), torch.arange(64) % 5] = 1
    rows = torch.utils.data.TensorDataset(features, observed, torch.arange(64))
    loader = torch.utils.data.DataLoader(rows, batch_size=16)
    changed = {"ll_cp": "corrected", "role": "seen", "em_apl": "pseudo_negative"}
    for name, state in changed.items():
        sizes = {"num_classes": 5, "num_examples": 64, "total_epochs": 8}
        loss = spml.method(name, dataset="coco", **sizes)
        module = namespace["SinglePositive"](torch.nn.Linear(16, 5), loss)
        trainer = lightning.Trainer(
            max_epochs=6, accelerator="cpu", logger=False, enable_checkpointing=False
        )
        trainer.fit(module, loader)
        assert getattr(loss, state).any(), name
