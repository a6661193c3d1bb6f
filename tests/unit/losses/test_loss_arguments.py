"""What planning reads of a loss without importing it: what the class itself takes, or a sentence."""

import ast
import inspect
from pathlib import Path

import pytest
import spml.losses
from loss_cases import GR, REQUIRED, SIGNATURES
from spml.losses import build, hyperparameters_of, loss_class, names
from spml.losses.arguments import loss_arguments
from spml.planning.checks import loss_hyperparameters
from spml.plumbing.errors import UserError

SIZES = {"num_classes": 3, "num_examples": 4, "total_epochs": 8}


def read(name):
    """The hyperparameters of a loss and their defaults, read from its file and from its class."""
    path = Path(spml.losses.__file__).with_name(f"{name}.py")
    from_file = {
        key: REQUIRED if default is None else ast.literal_eval(default)
        for key, default in loss_arguments(path).items()
    }
    from_class = {
        key: REQUIRED if each.default is inspect.Parameter.empty else each.default
        for key, each in hyperparameters_of(loss_class(name)).items()
    }
    assert listed(from_file) == listed(from_class)
    return from_file


def listed(hyperparameters):
    """In their order, and with a whole number told from another."""
    return [(key, default, type(default)) for key, default in hyperparameters.items()]


@pytest.mark.parametrize("name", names())
def test_the_file_says_what_the_class_takes(name):
    hyperparameters = read(name)
    assert listed(hyperparameters) == listed(SIGNATURES.get(name, hyperparameters))


def test_planning_reads_all_losses():
    found = loss_hyperparameters("workflow/spml/losses")
    assert sorted(found) == names()
    for name, expected in SIGNATURES.items():
        assert found[name] == {key: value is REQUIRED for key, value in expected.items()}, name


# What a file says, and the hyperparameters that the loss is to have, in their order.
VARIANTS = {
    "overrides nothing": (
        "from .gr import GeneralizedRobustLoss\n"
        "class Mine(GeneralizedRobustLoss):\n"
        "    pass\n",
        SIGNATURES["gr"],
    ),
    "adds a hyperparameter": (
        "from .gr import GeneralizedRobustLoss\n"
        "class Mine(GeneralizedRobustLoss):\n"
        "    def __init__(self, *, rate: float = 0.5, **others):\n"
        "        super().__init__(**others)\n"
        "        self.rate = rate\n",
        {**SIGNATURES["gr"], "rate": 0.5},
    ),
    "gives a base's hyperparameter another default": (
        "from .gr import GeneralizedRobustLoss\n"
        "class Mine(GeneralizedRobustLoss):\n"
        "    def __init__(self, *, linear_init: int = 2, **others):\n"
        "        super().__init__(linear_init=linear_init, **others)\n",
        {**SIGNATURES["gr"], "linear_init": 2},
    ),
    "gives one that is required a default": (
        "from .gr import GeneralizedRobustLoss\n"
        "class Mine(GeneralizedRobustLoss):\n"
        "    def __init__(self, *, q3: float = 1.5, **others):\n"
        "        super().__init__(q3=q3, **others)\n",
        {**SIGNATURES["gr"], "q3": 1.5},
    ),
    "takes one away by naming the sizes": (
        "from .gr import GeneralizedRobustLoss as GR\n"
        "class Mine(GR):\n"
        "    def __init__(self, *, num_classes, num_examples, total_epochs, beta, alpha):\n"
        "        super().__init__(\n"
        "            num_classes=num_classes, num_examples=num_examples, total_epochs=total_epochs,\n"
        "            beta=beta, alpha=alpha, q2=1.0, q3=1.0,\n"
        "        )\n",
        {"beta": REQUIRED, "alpha": REQUIRED},
    ),
    "names one size and passes on the others": (
        "from .an_ls import SmoothedAssumeNegative\n"
        "class Mine(SmoothedAssumeNegative):\n"
        "    def __init__(self, *, num_classes: int, **others):\n"
        "        super().__init__(num_classes=num_classes, **others)\n",
        {"smoothing": 0.1},
    ),
    "a variant of a variant": (
        "from .gr_running_v import RunningVRobustLoss\n"
        "class Mine(RunningVRobustLoss):\n"
        "    def __init__(self, *, rate: float = 0.2, power: int = 2, **others):\n"
        "        super().__init__(rate=rate, **others)\n",
        {**SIGNATURES["gr"], "rate": 0.2, "power": 2},
    ),
    "what several losses share": (
        "from ._large_loss import LargeLoss\n"
        "from .an import AssumeNegative\n"
        "class Mine(LargeLoss):\n"
        "    def terms(self, *arguments):\n"
        "        return AssumeNegative.terms(self, *arguments)\n",
        SIGNATURES["ll_r"],
    ),
    "an absolute import": (
        "from spml.losses.an_ls import SmoothedAssumeNegative\n"
        "class Mine(SmoothedAssumeNegative):\n"
        "    pass\n",
        {"smoothing": 0.1},
    ),
    "the base's module": (
        "import spml.losses.an_ls\n"
        "class Mine(spml.losses.an_ls.SmoothedAssumeNegative):\n"
        "    pass\n",
        {"smoothing": 0.1},
    ),
    "the base's module by a relative import": (
        "from . import an_ls as base\n"
        "class Mine(base.SmoothedAssumeNegative):\n"
        "    pass\n",
        {"smoothing": 0.1},
    ),
    "the package's folder": (
        "from ..losses.an_ls import SmoothedAssumeNegative\n"
        "class Mine(SmoothedAssumeNegative):\n"
        "    pass\n",
        {"smoothing": 0.1},
    ),
    "a base that another loss imports": (
        "from .an import GeneralizedLoss, Terms\n"
        "class Mine(GeneralizedLoss):\n"
        "    def terms(self, logits, observed, index, epoch):\n"
        "        return Terms(k=0.0, v=1.0, l1=logits, l2=0.0, l3=logits)\n",
        {},
    ),
    "the name of its base": (
        "from .an_ls import SmoothedAssumeNegative\n"
        "class SmoothedAssumeNegative(SmoothedAssumeNegative):\n"
        "    pass\n",
        {"smoothing": 0.1},
    ),
    "a class beside it and one base twice": (
        "from .an import AssumeNegative\n"
        "from .framework import GeneralizedLoss\n"
        "class Scaled:\n"
        "    def __init__(self, *, scale: float = 2.0, **others):\n"
        "        super().__init__(**others)\n"
        "class Mine(Scaled, AssumeNegative, GeneralizedLoss):\n"
        "    pass\n",
        {"scale": 2.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_what_its_bases_take(write_loss, variant):
    text, expected = VARIANTS[variant]
    write_loss(text)
    assert listed(read("mine")) == listed(expected)
    known = {**GR, "delta_rel": 0.5}
    chosen = {key: known[key] for key, value in expected.items() if value is REQUIRED}
    assert build("mine", **SIZES, **chosen).num_examples == SIZES["num_examples"]


def test_the_most_derived_default_counts_until_a_value_is_given(write_loss):
    write_loss(VARIANTS["gives a base's hyperparameter another default"][0])
    assert build("mine", **SIZES, **GR).linear_init == 2
    assert build("mine", **SIZES, **GR, linear_init=3).linear_init == 3


def test_a_loss_of_two_kinds_has_what_both_take(write_loss):
    write_loss(
        "from .base import Loss\nclass Other(Loss):\n"
        "    def __init__(self, *, scale: float = 2.0, **others):\n"
        "        super().__init__(**others)\n",
        "_other",
    )
    write_loss(
        "from ._other import Other\nfrom .an_ls import SmoothedAssumeNegative\n"
        "class Mine(SmoothedAssumeNegative, Other):\n    pass\n"
    )
    assert read("mine") == {"scale": 2.0, "smoothing": 0.1}
    assert build("mine", **SIZES, scale=3.0, smoothing=0.2).smoothing == 0.2


def test_helpers_beside_a_loss_are_not_taken_for_it(write_loss):
    helper = "class Helper(torch.nn.Module):\n    def __init__(self, size):\n        pass\n\n\n"
    text = Path("workflow/spml/losses/an_ls.py").read_text(encoding="utf-8")
    text = text.replace("class Smoothed", f"{helper}class Smoothed")
    path = write_loss(
        "import torch\n" + text.replace("from .framework", "from spml.losses.framework")
    )
    assert loss_hyperparameters(path.parent)["mine"] == {"smoothing": False}


AN, AN_LS, ROLE = (
    Path(f"workflow/spml/losses/{name}.py").read_text(encoding="utf-8")
    for name in ("an", "an_ls", "role")
)
AFTER_A_STAR = (
    ", line {constructor}: the constructor of SmoothedAssumeNegative has to name each "
    "hyperparameter after a *, as in def __init__(self, *, smoothing: float = 0.1, **sizes: int)"
)
THE_SIZES = (
    ", line {constructor}: the constructor of SmoothedAssumeNegative has to take **sizes "
    "(num_classes, num_examples, total_epochs) and to pass them on: super().__init__(**sizes)"
)
PASS_ON = (
    ", line {constructor}: the constructor of SmoothedAssumeNegative has to pass **sizes on: "
    "super().__init__(**sizes)"
)


@pytest.mark.parametrize(
    ("text", "old", "new", "sentence"),
    [
        (AN, AN, "", " has no loss: a class that derives from Loss or GeneralizedLoss"),
        (AN, "(GeneralizedLoss):", "(Tensor):", " has no loss: a class that derives from Loss"),
        (AN, "(GeneralizedLoss):", "(GeneralizedLoss)", ", line {class}, is not Python: expected ':'"),
        (AN, "assume negative", "\0", " is not Python: "),
        (AN, "def terms", "def term",
         ", line {class}: AssumeNegative does not implement terms, which every GeneralizedLoss has to"),
        (ROLE, "def compute", "def _compute",
         ", line {class}: RegularisedOnlineLabelEstimation does not implement compute, which every "
         "Loss has to"),
        (AN, "\n\nclass", "\n\nclass Other(GeneralizedLoss): pass\nclass",
         " has several losses (Other, AssumeNegative); give each a file of its own"),
        (AN, "\n\nclass AssumeNegative(GeneralizedLoss)",
         "\n\nclass Other(GeneralizedLoss): pass\nclass AssumeNegative(Other)",
         " has several losses (Other, AssumeNegative); give each a file of its own"),
        (AN_LS, "self, *, smoothing", "self, smoothing", AFTER_A_STAR),
        (AN_LS, "self, *, smoothing", "self, /, other, *, smoothing", AFTER_A_STAR),
        (AN_LS, "self, *, smoothing: float = 0.1", "self, *smoothing", AFTER_A_STAR),
        (AN_LS, "self, *, ", "*, ", AFTER_A_STAR),
        (AN_LS, ", **sizes: int", "", THE_SIZES),
        (AN_LS, "**sizes: int", "num_classes: int, num_examples: int", THE_SIZES),
        (AN_LS, "super().__init__(**sizes)", "pass", PASS_ON),
        (AN_LS, "super().__init__(**sizes)", "super().__init__(num_classes=2)", PASS_ON),
        (AN_LS, "__init__(**sizes)", "__init__(total_epochs=8, **sizes)",
         ", line {constructor}: the constructor of SmoothedAssumeNegative sets total_epochs of its "
         "base, which **sizes may set too; name total_epochs after the * as well, or num_classes, "
         "num_examples, total_epochs in place of **sizes"),
        (AN_LS, "*, smoothing", "*, num_classes: int, smoothing",
         ", line {constructor}: the constructor of SmoothedAssumeNegative has to pass num_classes on "
         "to its base: super().__init__(num_classes=num_classes, ...)"),
        (AN_LS, "= 0.1, **", "= 1 / 3, **",
         ", line {constructor}: the default of smoothing is 1 / 3, which has to be computed; write "
         "the value"),
        (AN_LS, "= 0.1, **", "= math.inf, **",
         ", line {constructor}: the default of smoothing is math.inf, which has to be computed; "),
    ],
)  # fmt: skip
def test_loss_that_cannot_train_is_named_before_it_is_imported(tmp_path, text, old, new, sentence):
    assert old in text
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    # Of the loss, which is the last class of each text.
    places = {
        what: max(
            (n for n, line in enumerate(text.splitlines(), 1) if line.startswith(begins)), default=0
        )
        for what, begins in (("class", "class "), ("constructor", "    def __init__"))
    }
    with pytest.raises(UserError) as raised:
        loss_hyperparameters(tmp_path)
    assert str(raised.value).startswith(f"{path}{sentence.format(**places)}")


OTHER = "from .gr import GeneralizedRobustLoss\nclass Other(GeneralizedRobustLoss):\n"
MINE = "from ._other import Other\nclass Mine(Other):\n"


@pytest.mark.parametrize(
    ("mine", "other", "sentence"),
    [
        ("from .framework import Mapping\nclass Mine(Mapping): pass\n", "",
         "mine.py has no loss: a class that derives from Loss or GeneralizedLoss"),
        ("from .nowhere import Other\nclass Mine(Other): pass\n", "",
         "mine.py, line 2: Mine derives from Other, whose file {folder}/nowhere.py is not there"),
        (MINE + "    pass\n", "class Others: pass\n",
         "mine.py, line 2: Mine derives from Other, but {folder}/_other.py has no class of that name"),
        (MINE + "    pass\n", "from .mine import Mine\n\nclass Other(Mine): pass\n",
         "_other.py, line 3: Other derives from itself: mine.Mine from _other.Other from mine.Mine; "
         "give one of them another base"),
        (MINE + "    pass\n", "from .mine import Other\n", "mine.py, line 2: Mine derives from itself: "),
        (MINE + "    pass\n", OTHER, "_other.py, line 2, is not Python: "),
        (MINE + "    pass\n", "from .framework import GeneralizedLoss\nclass Other(GeneralizedLoss): pass\n",
         "mine.py, line 2: Mine does not implement terms, which every GeneralizedLoss has to"),
        (MINE + "    pass\n", OTHER + "    def __init__(self, a=1, **others): pass\n",
         "_other.py, line 3: the constructor of Other has to name each hyperparameter after a *"),
        (MINE + "    pass\n", OTHER + "    def __init__(self, *, a=f(), **rest): super().__init__(**rest)\n",
         "_other.py, line 3: the default of a is f(), which has to be computed"),
        (MINE + "    def __init__(self, *, linear_init=2, **rest): super().__init__(**rest)\n", OTHER + "    pass\n",
         "mine.py, line 3: the constructor of Mine has to pass linear_init on to its base: "
         "super().__init__(linear_init=linear_init, ...)"),
        (MINE + "    def __init__(self, **rest): super().__init__(q2=1.0, **rest)\n", OTHER + "    pass\n",
         "mine.py, line 3: the constructor of Mine sets q2 of its base, which **rest may set too; "
         "name q2 after the * as well, or "),
    ],
)  # fmt: skip
def test_mistake_in_what_a_loss_derives_from_is_a_sentence(write_loss, mine, other, sentence):
    folder = write_loss(other, "_other").parent
    path = write_loss(mine)
    with pytest.raises(UserError) as raised:
        loss_arguments(path)
    assert str(raised.value).startswith(f"{folder}/{sentence.format(folder=folder)}")


def test_a_class_of_another_package_may_bring_the_method(write_loss):
    path = write_loss(
        "from elsewhere import Terms\nfrom .framework import GeneralizedLoss\n"
        "class Mine(Terms, GeneralizedLoss):\n    pass\n"
    )
    assert loss_arguments(path) == {}


def test_what_losses_share_has_to_be_python_too(tmp_path):
    path = tmp_path / "_shared.py"
    path.write_text("x = 1\ndef f(:\n")
    with pytest.raises(UserError, match=rf"{path}, line 2, is not Python: "):
        loss_hyperparameters(tmp_path)
