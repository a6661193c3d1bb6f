"""What every loss shares: the interface, the checks of its arguments, stable entry losses.

Notation of all modules of this folder: z logit, p = sigmoid(z), s the observed label (1 positive,
-1 negative, 0 unobserved), B the batch, C the classes, t the epoch counted from 1, T the last one.
"""

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ..plumbing.errors import UserError

# Gives (logits (B, C), index (B,)) of the training split, batch by batch, in evaluation mode.
Predict = Callable[[], Iterable[tuple[Tensor, Tensor]]]


def check_real(
    name: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
    infinite: bool = False,
) -> float:
    """Return `value` as a float, or raise ValueError naming the argument `name`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name}: must be a number, not {value!r}")
    number = float(value)
    in_range = (
        at_least <= number <= at_most
        and (number > above or above == -math.inf)
        and (number < below or below == math.inf)
    )
    if not in_range or not (math.isfinite(number) or (infinite and number > 0)):
        limits = [f"at least {at_least}"] if at_least > -math.inf else []
        limits += [f"above {above}"] if above > -math.inf else []
        limits += [f"at most {at_most}"] if at_most < math.inf else []
        limits += [f"below {below}"] if below < math.inf else []
        limits += [] if infinite else ["finite"]
        raise ValueError(f"{name}: must be {' and '.join(limits)}, not {value!r}")
    return number


def check_integer(name: str, value: Any, *, at_least: int, at_most: int | None = None) -> int:
    """Return `value` as an int, or raise ValueError naming the argument `name`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name}: must be a whole number, not {value!r}")
    number = int(value)
    if number < at_least or (at_most is not None and number > at_most):
        upper = "" if at_most is None else f" and at most {at_most}"
        raise ValueError(f"{name}: must be at least {at_least}{upper}, not {value!r}")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, or raise ValueError naming the argument `name`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: must be true or false, not {value!r}")
    return value


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of `allowed`, or raise ValueError naming the argument `name`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: must be one of {', '.join(allowed)}, not {value!r}")
    return value


def positive_cost(logits: Tensor) -> Tensor:
    """-log p from logits: exact in both tails, with a finite gradient everywhere."""
    return negative_cost(-logits)


def negative_cost(logits: Tensor) -> Tensor:
    """-log(1 - p) = log(1 + exp(z)) from logits, exact in both tails.

    Above the threshold the function returns z itself, which there differs from the true value
    by less than exp(-40): nothing, in double precision too. The default threshold of 20 would
    leave a difference that double precision sees.
    """
    return functional.softplus(logits, threshold=40.0)


def entropy(logits: Tensor) -> Tensor:
    """H(p) = -p log p - (1 - p) log(1 - p) from logits.

    H is even in z and -log p = -log(1 - p) - z, so that it equals -log(1 - p) - p z at -|z|, where
    both terms are positive and nothing cancels.
    """
    negative = -logits.abs()
    return negative_cost(negative) - torch.sigmoid(negative) * negative


class _PowerLoss(torch.autograd.Function):
    """(1 - exp(-q cost)) / q with its derivative exp(-q cost), both without cancellation.

    Autograd's own derivative of expm1 adds 1 to a value near -1.
    """

    @staticmethod
    def forward(ctx: Any, cost: Tensor, q: float) -> Tensor:
        ctx.save_for_backward(cost)
        ctx.q = q
        return torch.expm1(cost * -q).mul_(-1.0 / q)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (cost,) = ctx.saved_tensors
        return gradients[0] * torch.exp(cost * -ctx.q), None


def power_loss(cost: Tensor, q: float) -> Tensor:
    """(1 - x^q) / q for a probability x given as cost = -log x; its limit -log x for q = 0.

    The generalized cross entropy of Zhang and Sabuncu (NeurIPS 2018): q = 0 is the log loss and
    q = 1 the mean absolute error 1 - x. The derivative of x^q itself is unbounded at x = 0, where
    the chain rule would give inf * 0 = NaN; in terms of the cost it is not.
    """
    return cost if q == 0.0 else _PowerLoss.apply(cost, q)


class _FocalCost(torch.autograd.Function):
    """(1 - p)^gamma * -log p; keeps its logits alone, where autograd would keep four tensors.

    The derivative with respect to z is -(1 - p)^gamma * (1 - p + gamma * p * -log p).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, gamma: float) -> Tensor:
        ctx.save_for_backward(logits)
        ctx.gamma = gamma
        return negative_cost(logits).mul_(-gamma).exp_().mul_(positive_cost(logits))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (logits,) = ctx.saved_tensors
        slope = torch.sigmoid(logits).mul_(positive_cost(logits)).mul_(ctx.gamma)
        slope.add_(torch.sigmoid(-logits))
        weight = negative_cost(logits).mul_(-ctx.gamma).exp_()
        return slope.mul_(weight).mul_(gradients[0]).neg_(), None


def focal_cost(logits: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * -log p from logits, with the gradient through the weight."""
    return _FocalCost.apply(logits, gamma)


def shifted_probability(logits: Tensor, margin: float) -> Tensor:
    """max(p - margin, 0) from logits: the probability of which a margin is taken off.

    It is not quite 0, where a power's gradient may be infinite, and not quite 1, which rounding
    would reach if the margin were tiny.
    """
    limits = torch.finfo(logits.dtype)
    highest = max(margin, 1.0 - limits.eps)
    return (torch.sigmoid(logits).clamp(margin, highest) - margin).add_(limits.tiny)


# Attributes that torch itself keeps its parameters and buffers in, and what is of one step.
_OF_MODULES = {*vars(torch.nn.Module()), "modified"}


class Loss(torch.nn.Module, ABC):
    """A loss of the logits and of the observed labels of a batch.

    Subclasses implement `compute`. One that adds hyperparameters names them in a constructor, after
    a `*` and before the `**sizes` that it passes on to this one; planning reads them there.

    num_classes  C, at least 1
    num_examples rows of the training split, at least 1; None for a loss that has no use for it
    total_epochs T, at least 1; None likewise

    State lives in buffers and parameters, so that it moves with `.to()` and is in `state_dict()`:
    tensors in other attributes are refused at the first step. It changes only in training mode,
    the state of a new module.
    """

    keeps_linear_init: ClassVar[bool] = False
    """Whether fine-tuning after LinearInit's first phase goes on with what the loss has learnt in
    it, rather than with a new loss."""

    outside_framework: ClassVar[str] = ""
    """Why the generalized loss of GR cannot express this one, as a clause; for one without a
    `mapping` (see `spml.losses.framework`)."""

    remembers_examples: ClassVar[bool] = False
    """Whether it keeps state of each training example, so that every call has to say which they
    are."""

    follows_epochs: ClassVar[bool] = False
    """Whether its value depends on the epoch, so that every call has to name it."""

    sparse_gradients: bool = False
    """Whether gradients of parameters with a row an example are sparse; set by those who train with
    an optimiser that takes them."""

    _values_trusted = False

    modified: Tensor | None = None
    """After a forward of a loss that rejects or corrects labels: the (B, C) bool mask of the
    unobserved entries that this step rejected or corrected. None for every other loss."""

    def __init__(
        self, *, num_classes: int, num_examples: int | None = None, total_epochs: int | None = None
    ) -> None:
        super().__init__()
        self.num_classes = check_integer("num_classes", num_classes, at_least=1)
        self._num_examples = num_examples
        if num_examples is not None:
            self._num_examples = check_integer("num_examples", num_examples, at_least=1)
        self._total_epochs = total_epochs
        if total_epochs is not None:
            self._total_epochs = check_integer("total_epochs", total_epochs, at_least=1)

    @property
    def num_examples(self) -> int:
        """Rows of the training split; ValueError where nobody has said how many there are."""
        if self._num_examples is None:
            raise ValueError(
                f"num_examples: is missing; {type(self).__name__} keeps state of each training "
                "example, so give their number"
            )
        return self._num_examples

    @property
    def total_epochs(self) -> int:
        """T; ValueError where nobody has said how many epochs there are."""
        if self._total_epochs is None:
            raise ValueError(
                f"total_epochs: is missing; {type(self).__name__} has a schedule over all epochs, "
                "so give their number"
            )
        return self._total_epochs

    def forward(
        self,
        logits: Tensor,
        observed: Tensor,
        *,
        index: Tensor | None = None,
        epoch: int | None = None,
    ) -> Tensor:
        """The loss of a batch, a scalar in float32, or in float64 for float64 logits.

        logits   (B, C) floating point, before the sigmoid; half precision is computed in float32
        observed (B, C) integer or floating point, values -1, 0, 1
        index    (B,) int32 or int64, rows of the training split, each at most once; needed where
                 `remembers_examples`
        epoch    1 to total_epochs; needed where `follows_epochs`

        Raises ValueError naming the argument that is wrong. Values of `observed` and `index` are
        looked at only on a CPU, since on a GPU that would make the host wait for the device, and
        only before :meth:`trust_labels`. A loss that gives more than one number is a UserError.
        """
        self._check_batch(logits, observed)
        self._check_index(index, logits)
        if epoch is not None:
            self._check_epoch(epoch)
        elif self.follows_epochs:
            raise ValueError(
                f"epoch: is missing; {type(self).__name__} changes from epoch to epoch, so give "
                "the number of this one, counted from 1"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        # A loss that is wrong about its needs cannot go on with these: torch indexes with no
        # floating point numbers, and Python computes with no None.
        rows = logits.new_empty(0) if index is None else index
        loss = self.compute(logits, observed, rows, cast(int, epoch))
        if loss.ndim:
            raise UserError(
                f"{type(self).__module__}: compute has to give one number a batch, and gives a "
                f"tensor of shape {tuple(loss.shape)}; is .mean() missing?"
            )
        return loss

    def trust_labels(self, observed: Tensor) -> None:
        """Check all labels of a training at once, so that no step of it has to.

        observed: values -1, 0, 1 in any shape; anything else is a ValueError. From then on the
        caller answers for the values of `observed` and `index`.
        """
        self._check_values(observed)
        self._values_trusted = True

    @abstractmethod
    def compute(self, logits: Tensor, observed: Tensor, index: Tensor, epoch: int) -> Tensor:
        """The loss of checked arguments; logits are float32 or float64."""

    def after_epoch(self, epoch: int, predict: Predict) -> None:
        """Called when an epoch has ended; a loss that needs a pass over the data overrides it.

        `predict()` yields (logits (B, C), index (B,)) over the whole training split, in
        evaluation mode and without gradients. The pass costs only those who call it.
        """

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Groups of the loss's own parameters for the optimiser, [] when it has none.

        A group with `by_example` holds parameters with a row an example, of which `compute` reads
        the rows `index` alone; such a loss heeds `sparse_gradients`.
        """
        own = list(self.parameters())
        return [{"params": own, "lr": learning_rate}] if own else []

    def schedule(self, epoch: int) -> dict[str, float]:
        """Values in this epoch of what the loss changes from epoch to epoch, for the records."""
        return {}

    def findings(self) -> dict[str, Any]:
        """What the record of a run keeps of what the loss has found out by its end, as plain values
        by name; {} for most losses."""
        return {}

    @property
    def frozen_epochs(self) -> int:
        """Number of first epochs in which the feature extractor is not trained."""
        return 0

    def unsaved_state(self) -> list[str]:
        """Names of attributes that hold tensors which are neither buffers nor parameters.

        A checkpoint does not see them, and they do not move with `.to()`. `modified` is of one
        step alone.
        """

        def holds_tensor(value: Any) -> bool:
            if isinstance(value, dict):
                value = list(value.values())
            if isinstance(value, list | tuple | set):
                return any(map(holds_tensor, value))
            return isinstance(value, Tensor)

        own = {name: value for name, value in vars(self).items() if name not in _OF_MODULES}
        return [name for name, value in own.items() if holds_tensor(value)]

    def _check_batch(self, logits: Tensor, observed: Tensor) -> None:
        if logits.dim() != 2 or logits.shape[1] != self.num_classes or logits.shape[0] == 0:
            raise ValueError(
                f"logits: must have shape (B, {self.num_classes}) with B at least 1, "
                f"not {tuple(logits.shape)}"
            )
        if not logits.is_floating_point():
            raise ValueError(f"logits: must be floating point, not {logits.dtype}")
        if observed.shape != logits.shape:
            raise ValueError(
                f"observed: must have the shape of logits {tuple(logits.shape)}, "
                f"not {tuple(observed.shape)}"
            )
        if observed.dtype == torch.bool or observed.is_complex():
            raise ValueError(f"observed: must be -1, 0, 1, not {observed.dtype}")
        if observed.device.type == "cpu" and not self._values_trusted:
            self._check_values(observed)

    @staticmethod
    def _check_values(observed: Tensor) -> None:
        if observed.numel() == 0:
            return
        lowest, highest = (value.item() for value in observed.aminmax())
        whole = not observed.is_floating_point() or not observed.frac().any()
        if not (lowest >= -1 and highest <= 1 and whole):
            raise ValueError("observed: values must be -1, 0 or 1")

    def _check_index(self, index: Tensor | None, logits: Tensor) -> None:
        if index is None:
            if self.remembers_examples:
                raise ValueError(
                    f"index: is missing; {type(self).__name__} keeps state of each training "
                    "example, so give the row of each one of the batch in the training split"
                )
            return
        if index.shape != logits.shape[:1]:
            raise ValueError(
                f"index: must have shape ({logits.shape[0]},), not {tuple(index.shape)}"
            )
        if index.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"index: must be int64 or int32, not {index.dtype}")
        looks = index.device.type == "cpu" and not self._values_trusted
        if looks and self._num_examples is not None:
            lowest, highest = (value.item() for value in index.aminmax())
            if lowest < 0 or highest >= self._num_examples:
                raise ValueError(
                    f"index: values must be 0 to {self._num_examples - 1}, "
                    f"not {lowest} to {highest}"
                )

    def _check_epoch(self, epoch: int) -> None:
        check_integer("epoch", epoch, at_least=1, at_most=self._total_epochs)
