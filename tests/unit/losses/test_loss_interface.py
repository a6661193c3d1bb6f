"""The interface that all losses share: building, checking, state, stability, cost."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import spml.losses
import torch
from loss_cases import (
    FIRST,
    GR,
    HYPERPARAMETERS,
    NAMES,
    SIGNATURES,
    TOTAL_EPOCHS,
    case,
    make,
    random_batch,
)
from spml.losses import build, hyperparameters_of, loss_class, mapping_table, names
from spml.losses.base import Loss
from spml.losses.framework import GeneralizedLoss, expected_loss
from spml.plumbing.errors import UserError
from torch.utils._python_dispatch import TorchDispatchMode

FOLDER = Path(spml.losses.__file__).parent
COMMON = ["num_classes", "num_examples", "total_epochs"]
OUTSIDE = {"role", "two_way", "vpu"}  # of the generalized loss
MODIFYING = {"ll_r", "ll_ct", "ll_cp", "splc"}
ROWS, CLASSES, EXAMPLES = 6, 5, 8


def batch(seed=0, labels="mixed", rows=ROWS, classes=CLASSES, examples=EXAMPLES):
    logits, observed, index = random_batch(seed, rows, classes, labels, examples)
    z = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    return z, torch.tensor(observed), torch.tensor(index)


def test_names():
    assert names() == sorted(names())
    assert set(names()) >= set(SIGNATURES)


@pytest.mark.parametrize("name", names())
def test_every_loss_is_tried_and_documented(name):
    assert name in HYPERPARAMETERS, (
        f"the loss {name} has hyperparameters without a default: add values of them to "
        "HYPERPARAMETERS in tests/unit/losses/loss_cases.py, or a method to config/methods.yaml"
    )
    cls = loss_class(name)
    module = inspect.getmodule(cls)
    assert cls.__doc__, f"{module.__file__}: give {cls.__name__} a docstring"
    documentation = "".join(filter(None, map(inspect.getdoc, cls.__mro__)))
    for hyperparameter in hyperparameters_of(cls):
        assert hyperparameter in documentation, (
            f"{module.__file__}: say in the docstring of {cls.__name__} what {hyperparameter} is, "
            "and its range"
        )
    assert "Source:" in (module.__doc__ or ""), (
        f"{module.__file__}: say in the docstring at its top where the formula is from, in a "
        "paragraph that begins with Source:"
    )


def test_building_imports_no_other_loss():
    program = (
        "import sys; from spml.losses import build;"
        "build('an', num_classes=2, num_examples=2, total_epochs=2);"
        "print(sorted(m for m in sys.modules if m.startswith('spml.losses.')))"
    )
    path = str(FOLDER.parents[1])
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str([f"spml.losses.{n}" for n in ("an", "base", "framework")])


def test_unknown_loss_lists_the_known_ones_nearest_first():
    with pytest.raises(ValueError, match="name: unknown loss 'll_cr'; known: ll_r") as raised:
        build("ll_cr", num_classes=2, num_examples=2, total_epochs=2)
    for name in names():
        assert name in str(raised.value)
    for wrong in ["base", "framework", "_large_loss", "GR", "", "../an", None, 3]:
        with pytest.raises(ValueError, match="unknown loss"):
            build(wrong, num_classes=2, num_examples=2, total_epochs=2)


AN = (FOLDER / "an.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("from torch import Tensor", "import nowhere",
         ", line 10: the loss mine cannot be imported (ModuleNotFoundError: No module named "
         "'nowhere'); mend that and start again"),
        ("negative_cost, positive_cost\n", "negative_costs\n",
         ", line 12: the loss mine cannot be imported (ImportError: cannot import name "
         "'negative_costs'"),
        ("mapping = Mapping(k=", "mapping = Mapping(kay=",
         ", line 19: the loss mine cannot be imported (TypeError: "),
        ("(GeneralizedLoss):", "(GeneralizedLoss)",
         ", line 16: the loss mine cannot be imported (SyntaxError: expected ':'"),
        ("def terms(", "def term(", ": AssumeNegative does not implement terms"),
        ("(GeneralizedLoss):", "(object):", " has to define one class that derives from Loss; it "
         "has: none"),
    ],
)  # fmt: skip
def test_loss_that_cannot_be_used_is_a_sentence(write_loss, old, new, sentence):
    assert old in AN
    path = write_loss(AN.replace(old, new))
    with pytest.raises(UserError) as raised:
        build("mine", num_classes=2, num_examples=2, total_epochs=2)
    assert str(raised.value).startswith(f"{path}{sentence}")


def test_mistake_in_what_losses_share_is_named_there(write_loss):
    path = write_loss(AN.replace("from .base", "from ._part import y\nfrom .base"))
    part = path.with_name("_part.py")
    part.write_text("x = 1\ny = x / 0\n")
    with pytest.raises(
        UserError, match=rf"{part}, line 2: the loss mine cannot be imported \(Zero"
    ):
        build("mine", num_classes=2, num_examples=2, total_epochs=2)


def test_unknown_and_missing_hyperparameters():
    size = {"num_classes": 2, "num_examples": 2, "total_epochs": 8}
    with pytest.raises(ValueError, match=r"smooth: unknown .* of an_ls; allowed: smoothing$"):
        build("an_ls", **size, smooth=0.1)
    with pytest.raises(ValueError, match=r"gamma: unknown .* of an; allowed: none$"):
        build("an", **size, gamma=0.1)
    listing = "allowed: beta, alpha, q2, q3, linear_init, rate$"
    with pytest.raises(ValueError, match=rf"beta: missing .* of gr_running_v; {listing}"):
        build("gr_running_v", **size, rate=0.5)
    for name in NAMES:
        for hyperparameter, parameter in hyperparameters_of(loss_class(name)).items():
            chosen = {k: v for k, v in HYPERPARAMETERS[name][0].items() if k != hyperparameter}
            with case(name, hyperparameter):
                if parameter.default is parameter.empty:
                    with pytest.raises(ValueError, match=f"^{hyperparameter}: missing"):
                        build(name, **size, **chosen)
                else:
                    build(name, **size, **chosen)


INF, NAN = float("inf"), float("nan")
KINDS = ("pos", "neg", "unannotated")  # of entries of P-ASL
NEGATIVE_OR_WORSE = [-0.1, INF, NAN, "0.1", None, True]
OUT_OF_RANGE = {
    "bce_ls": {"smoothing": [-0.1, 1.1, NAN, "0.1", None, False]},
    "an_ls": {"smoothing": [-0.1, 1.1]},
    "n_ls": {"smoothing": [-0.1, 1.1]},
    "dw": {"weight": NEGATIVE_OR_WORSE},
    "epr": {"expected_positives": [0, *NEGATIVE_OR_WORSE]},
    "role": {
        "expected_positives": [0, *NEGATIVE_OR_WORSE],
        "estimator_lr_multiplier": [0, *NEGATIVE_OR_WORSE],
    },
    "em": {"alpha": NEGATIVE_OR_WORSE},
    "entmin": {"alpha": NEGATIVE_OR_WORSE},
    "em_apl": {
        "alpha": NEGATIVE_OR_WORSE,
        "beta": NEGATIVE_OR_WORSE,
        "warmup_epochs": [0, 8, 9, 2.5, "3", True],
        "negative_fraction": [1.1, *NEGATIVE_OR_WORSE],
    },
    "focal": {"gamma": NEGATIVE_OR_WORSE, "detach_weight": [0, 1, "true", None]},
    "asl": {
        "gamma_neg": NEGATIVE_OR_WORSE,
        "gamma_pos": NEGATIVE_OR_WORSE,
        "margin": [1.1, *NEGATIVE_OR_WORSE],
        "detach_weight": [0, 1, "true", None],
    },
    "hill": dict.fromkeys(["lam", "margin", "gamma"], NEGATIVE_OR_WORSE),
    "splc": {
        "tau": [1.1, *NEGATIVE_OR_WORSE],
        "margin": NEGATIVE_OR_WORSE,
        "gamma": NEGATIVE_OR_WORSE,
        "change_epoch": [0, 1.5, "2", True],
    },
    "ll_r": {"delta_rel": NEGATIVE_OR_WORSE},
    "ll_cp": {"delta_rel": NEGATIVE_OR_WORSE, "strict": [0, 1, "true", None]},
    "ll_ct": {"delta_rel": [-0.1, "0.2"]},
    "gr": {
        "beta": [
            *([0, 2, -2], [0, 2, -2, -2, 1], 2, "0,2,", None),
            *([0, INF, -2, -2], [0, 2, -2, "-2"], [0, 2, NAN, 0]),
        ],
        "alpha": [
            *([0.5, 2, 0.8], "abcd", None, [0.5, 0, 0.8, 0.5]),
            *([0.5, 2, 0.8, -1], [INF, 2, 0.8, 1]),
            *([0.5, 2, 0.8, INF], [0.5, NAN, 0.8, 1]),
        ],
        "q2": NEGATIVE_OR_WORSE,
        "q3": NEGATIVE_OR_WORSE,
        "linear_init": [-1, 8, 0.5, "1", False],
    },
    "gr_rational_k": {"beta": [[1, 0, 0, 0], [0, 2, -2, -2]]},
    "gr_learned_k": {
        "estimator_lr": NEGATIVE_OR_WORSE,
        "estimator_momentum": [1, *NEGATIVE_OR_WORSE],
        "estimator_weight_decay": NEGATIVE_OR_WORSE,
    },
    "gr_running_v": {"rate": [1, *NEGATIVE_OR_WORSE], "alpha": [[0.5, INF, 0.5, INF]]},
    "gpr": {
        "regularisation": NEGATIVE_OR_WORSE,
        "expected_positives": [0, *NEGATIVE_OR_WORSE],
        "q2": [-1],
    },
    "partial_bce": {
        "alpha": [INF, NAN, "1", None],
        "beta": [INF, NAN, "1", None],
        "gamma": NEGATIVE_OR_WORSE,
    },
    "partial_bce_global": {"known_proportion": [0, 1.1, *NEGATIVE_OR_WORSE]},
    "p_asl": {
        **dict.fromkeys(
            [f"{symbol}_{kind}" for symbol in ("gamma", "alpha") for kind in KINDS],
            NEGATIVE_OR_WORSE,
        ),
        "clip": [1.1, *NEGATIVE_OR_WORSE],
        "prior_threshold": [1.1, *NEGATIVE_OR_WORSE],
        "mode": ["ignored", "", None, 1],
        "likelihood_topk": [-1, 1.5, "2", True],
        "prior": [[0.5] * CLASSES],  # is for another mode
    },
    "two_way": {
        "temperature_pos": [0, *NEGATIVE_OR_WORSE],
        "temperature_neg": [0, *NEGATIVE_OR_WORSE],
        "unobserved": ["positive", None, 0],
    },
    "vpu": {"gamma": NEGATIVE_OR_WORSE, "alpha": [0, *NEGATIVE_OR_WORSE]},
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_hyperparameter_out_of_range(name):
    for hyperparameter, values in OUT_OF_RANGE[name].items():
        for value in values:
            chosen = {**HYPERPARAMETERS[name][0], hyperparameter: value}
            with (
                case(hyperparameter, value),
                pytest.raises(ValueError, match=f"^{hyperparameter}: "),
            ):
                make(name, chosen, CLASSES, EXAMPLES)


@pytest.mark.parametrize("argument", COMMON)
def test_size_out_of_range(argument):
    given_always = [None] if argument == "num_classes" else []
    for value in [0, -1, 1.5, "3", True, *given_always]:
        size = {"num_classes": 2, "num_examples": 2, "total_epochs": 2, argument: value}
        with case(value), pytest.raises(ValueError, match=f"^{argument}: "):
            build("an", **size)


def test_weak_assume_negative_needs_two_classes():
    with pytest.raises(ValueError, match=r"^num_classes: .* at least 2"):
        make("wan", {}, 1, 5)


z, s, i = batch()
WRONG_CALLS = {
    "logits": [
        (z[0], s, i, 1),
        (z[:, :4], s[:, :4], i, 1),
        (z[:0], s[:0], i[:0], 1),
        (z.long(), s, i, 1),
    ],
    "observed": [
        (z, s[:5], i, 1),
        (z, s[:, :1], i, 1),
        (z, s == 1, i, 1),
        (z, s * 2, i, 1),
        (z, s - 2, i, 1),
        (z, s * 0.5, i, 1),
        (z, s * NAN, i, 1),
        (z, (s * 0).to(torch.int8) - 128, i, 1),
    ],
    "index": [
        (z, s, i[:5], 1),
        (z, s, i[:, None], 1),
        (z, s, i.float(), 1),
        (z, s, i > 0, 1),
        (z, s, i.to(torch.uint8), 1),
        (z, s, i - i.max() + EXAMPLES, 1),
        (z, s, i - i.min() - 1, 1),
    ],
    "epoch": [
        (z, s, i, 0),
        (z, s, i, TOTAL_EPOCHS + 1),
        (z, s, i, 1.0),
        (z, s, i, True),
    ],
}


@pytest.mark.parametrize("argument", WRONG_CALLS)
def test_wrong_call(argument):
    for name in ["an", "ll_cp", "role"]:
        loss = make(name, HYPERPARAMETERS[name][0], CLASSES, EXAMPLES)
        for logits, observed, index, epoch in WRONG_CALLS[argument]:
            with (
                case(name, logits, observed, index, epoch),
                pytest.raises(ValueError, match=f"^{argument}: "),
            ):
                loss(logits, observed, index=index, epoch=epoch)


def test_labels_of_a_training_are_checked_once():
    loss = make("an", {}, CLASSES, EXAMPLES)
    for wrong in (s * 2, s - 2, s * 0.5, s * NAN):
        with pytest.raises(ValueError, match=r"^observed: "):
            loss.trust_labels(wrong)
    loss.trust_labels(s.flatten())
    loss(z, s * 2, index=i + EXAMPLES, epoch=1)  # nobody looks any more
    loss.trust_labels(s[:0])  # of a sparse matrix without an entry
    with pytest.raises(ValueError, match=r"^observed: "):  # shapes are compared all the same
        loss(z, s[:5], index=i, epoch=1)


def test_pseudo_labelling_after_a_wrong_epoch():
    loss = make("em_apl", HYPERPARAMETERS["em_apl"][0], CLASSES, EXAMPLES)
    with pytest.raises(ValueError, match=r"^epoch: "):
        loss.after_epoch(TOTAL_EPOCHS + 1, list)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits(name):
    sizes_of_logits = [
        (100, torch.float32),
        (1e4, torch.float32),
        (30, torch.bfloat16),
        (30, torch.float16),
    ]
    observed = torch.tensor([[-1, 0, 1, -1, 0, 1, 0]] * 4)
    for chosen in HYPERPARAMETERS[name]:
        for largest, dtype in sizes_of_logits:
            signs = torch.tensor([[1, 1, 1, -1, -1, -1, 0]] * 4, dtype=dtype)
            for epoch in [1, 2, TOTAL_EPOCHS]:
                with case(chosen, largest, dtype, epoch):
                    loss = make(name, chosen, 7, 4)
                    z = (signs * largest).requires_grad_()
                    value = loss(z, observed, index=torch.arange(4), epoch=epoch)
                    value.backward()
                    assert value.isfinite()
                    assert value.dtype == torch.float32
                    assert z.grad.isfinite().all()
                    assert z.grad.dtype == dtype
                    for parameter in loss.parameters():
                        assert parameter.grad.isfinite().all()
                    for buffer in loss.buffers():
                        assert buffer.isfinite().all()


@pytest.mark.parametrize(("name", "chosen"), FIRST, ids=NAMES)
def test_hooks(name, chosen):
    loss = make(name, chosen, CLASSES, EXAMPLES)
    assert isinstance(loss, Loss)
    assert 0 <= loss.frozen_epochs < TOTAL_EPOCHS
    groups = loss.parameter_groups(0.1)
    grouped = [id(each) for group in groups for each in group["params"]]
    assert grouped == [id(each) for each in loss.parameters()]
    schedule = loss.schedule(3)
    assert all(isinstance(value, float) for value in schedule.values())
    assert loss.modified is None
    z, s, i = batch()
    loss(z, s, index=i, epoch=3)
    if loss.modified is not None:
        assert loss.modified.shape == z.shape
        assert loss.modified.dtype == torch.bool
        assert not loss.modified.requires_grad
        assert not loss.modified[s != 0].any()
    if name in SIGNATURES:
        assert loss.frozen_epochs == 0
        assert len(groups) == (1 if name == "role" else 0)
        assert bool(schedule) == name.startswith(("gr", "gpr", "ll"))
        assert (loss.modified is not None) == (name in MODIFYING)

    def pass_over_the_data():
        assert name == "em_apl" or name not in SIGNATURES
        return [(z.detach(), i)]

    loss.after_epoch(TOTAL_EPOCHS, pass_over_the_data)


def test_default_parameter_group():
    class WithParameter(Loss):
        def __init__(self):
            super().__init__(num_classes=1, num_examples=1, total_epochs=1)
            self.own = torch.nn.Parameter(torch.zeros(2))

        def compute(self, logits, observed, index, epoch):
            return self.own.sum()

    loss = WithParameter()
    assert loss.parameter_groups(0.5) == [{"params": [loss.own], "lr": 0.5}]


@pytest.mark.parametrize(("name", "chosen"), FIRST, ids=NAMES)
def test_state_survives_saving_and_moves_with_the_module(name, chosen):
    first = make(name, chosen, CLASSES, EXAMPLES)
    for epoch in [1, 2, 3]:
        z, s, i = batch(epoch)
        first(z, s, index=i, epoch=epoch)
    second = make(name, chosen, CLASSES, EXAMPLES)
    second.load_state_dict(first.state_dict())
    z, s, i = batch(9)
    assert first(z, s, index=i, epoch=4) == second(z, s, index=i, epoch=4)
    third = make(name, chosen, CLASSES, EXAMPLES).double()
    third.load_state_dict(first.state_dict())
    assert third(z.double(), s, index=i, epoch=4).dtype == torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_the_host_never_waits_for_the_device(name):
    """On the device `meta` there are no values: whatever reads one on the host fails."""
    for chosen in HYPERPARAMETERS[name]:
        loss = make(name, chosen, CLASSES, EXAMPLES).to("meta")
        z, s, i = (each.to("meta") for each in batch())
        z = z.detach().requires_grad_()
        for epoch in [1, 2, TOTAL_EPOCHS]:
            with case(chosen, epoch):
                loss(z, s, index=i, epoch=epoch).backward()
        assert z.grad.shape == z.shape


class CountingCalls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.calls.append(function)
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize(("name", "chosen"), FIRST, ids=NAMES)
def test_no_loop_over_classes_or_examples_and_no_sort(name, chosen):
    calls = []
    for rows, classes in [(2, 3), (24, 30)]:
        loss = make(name, chosen, classes, rows)
        z, s, i = batch(1, "single", rows, classes, rows)
        with CountingCalls() as mode:
            loss(z, s, index=i, epoch=3).backward()
        calls.append(mode.calls)
    assert len(calls[0]) == len(calls[1])
    assert not any("sort" in str(call) for call in calls[1])


def test_the_step_between_epochs_has_no_loop_either():
    counts = []
    for classes in [2, 30]:
        loss = make("em_apl", HYPERPARAMETERS["em_apl"][0], classes, 24)
        z, s, i = batch(1, "single", 24, classes, 24)
        loss(z, s, index=i, epoch=1)
        with CountingCalls() as mode:
            loss.after_epoch(5, lambda z=z, i=i: [(z, i)])
        counts.append(len(mode.calls))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", NAMES)
def test_all_state_is_in_buffers_and_parameters(name):
    for chosen in HYPERPARAMETERS[name]:
        loss = make(name, chosen, 5, 8)
        z, s, i = batch(1, "mixed", 6, 5, 8)
        loss(z, s, index=i, epoch=2).backward()
        loss.after_epoch(3, lambda z=z, i=i: [(z.detach(), i)])
        with case(chosen):
            assert loss.unsaved_state() == []


def peak_memory(step):
    """The largest number of bytes that were allocated at once during the step."""
    profiler = torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    )
    with profiler:
        step()
    now = largest = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            largest = max(largest, now)
    return largest


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_peak_memory_is_at_most_ten_times_the_logits(name):
    for chosen in HYPERPARAMETERS[name]:
        # With as many examples as rows, the gradient of ROLE's dense estimator counts once.
        loss = make(name, chosen, 312, 64)
        z, s, i = batch(1, "single", 64, 312, 64)

        def step(loss=loss, z=z, s=s, i=i):
            loss(z, s, index=i, epoch=3).backward()

        with case(chosen):
            assert 2 <= peak_memory(step) / (z.numel() * 4) <= 10


def test_mapping_table():
    table = mapping_table()
    assert [row["method"] for row in table] == names()
    for row in table:
        assert list(row) == ["method", "k", "v", "L1", "L2", "L3", "outside"]
        cells = "".join(row.values())
        assert "|" not in cells
        assert "\n" not in cells
        assert cells.count("$") % 2 == 0
        expressible = bool(row["k"] and row["v"] and row["L1"] and row["L3"])
        if row["method"] in SIGNATURES:
            assert expressible == (row["method"] not in OUTSIDE)
            assert bool(row["outside"]) == (row["method"] in OUTSIDE)
        assert bool(row["L2"]) == (expressible and row["k"] != "$0$")


def test_what_is_written_through_the_framework():
    through = {name for name in SIGNATURES if issubclass(loss_class(name), GeneralizedLoss)}
    assert set(SIGNATURES) - through == OUTSIDE | {"splc"}


def test_unused_branch_of_the_framework_may_be_any_number():
    cost = torch.ones(2, 2)
    assert expected_loss(1.0, cost, NAN) is cost
    assert expected_loss(0.0, NAN, cost) is cost
    with pytest.raises(TypeError, match="tensors"):
        expected_loss(cost, 0.0, cost)


def test_lists_of_numbers_from_a_file_are_accepted():
    chosen = {"beta": (0, 2, -2, -2), "alpha": [1, INF, 1, INF], "q2": 1, "q3": 2}
    assert make("gr", chosen, 2, 2).schedule(1)["sigma"] == INF
    assert make("gr", {**GR, "q2": 0}, 2, 2).q2 == 0.0
