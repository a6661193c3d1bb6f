"""Hyperparameters and batches that the tests of all losses share."""

from contextlib import contextmanager

import numpy as np
import torch
from spml.losses import build, hyperparameters_of, loss_class, names
from spml.planning.configuration import resolve_method

TOTAL_EPOCHS = 8

GR = {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1}

REQUIRED = object()

# Names and defaults of the shipped losses, that outside users rely on.
SIGNATURES = {
    "bce": {},
    "an": {},
    "iun": {},
    "iu": {},
    "bce_ls": {"smoothing": 0.1},
    "an_ls": {"smoothing": 0.1},
    "n_ls": {"smoothing": 0.1},
    "wan": {},
    "dw": {"weight": REQUIRED},
    "epr": {"expected_positives": REQUIRED},
    "entmin": {"alpha": REQUIRED},
    "focal": {"gamma": 2, "detach_weight": True},
    "asl": {"gamma_neg": 4, "gamma_pos": 0, "margin": 0.05, "detach_weight": True},
    "hill": {"lam": 1.5, "margin": 1.0, "gamma": 2.0},
    "splc": {"tau": 0.6, "margin": 1.0, "gamma": 2.0, "change_epoch": 2},
    "role": {"expected_positives": REQUIRED, "estimator_lr_multiplier": 10},
    "em": {"alpha": REQUIRED},
    "em_apl": {
        "alpha": REQUIRED,
        "beta": REQUIRED,
        "warmup_epochs": REQUIRED,
        "negative_fraction": 0.9,
    },
    "ll_r": {"delta_rel": REQUIRED},
    "ll_ct": {"delta_rel": REQUIRED},
    "ll_cp": {"delta_rel": REQUIRED, "strict": False},
    "gr": {"beta": REQUIRED, "alpha": REQUIRED, "q2": REQUIRED, "q3": REQUIRED, "linear_init": 0},
    "hill_gr": {},
    "epr_gr": {},
    "bce_known": {},
    "partial_bce": {"alpha": -4.45, "beta": 5.45, "gamma": 1},
    "partial_bce_global": {
        "alpha": -4.45,
        "beta": 5.45,
        "gamma": 1,
        "known_proportion": REQUIRED,
    },
    "ranking": {},
    "p_asl": {
        "gamma_pos": 0,
        "gamma_neg": 1,
        "gamma_unannotated": 2,
        "alpha_pos": 1,
        "alpha_neg": 1,
        "alpha_unannotated": 1,
        "clip": 0,
        "mode": "negative",
        "likelihood_topk": 5,
        "prior": None,
        "prior_threshold": 0.05,
    },
    "two_way": {"temperature_pos": 4, "temperature_neg": 1, "unobserved": "negative"},
    "vpu": {"gamma": REQUIRED, "alpha": REQUIRED},
}
GR_VARIANTS = {
    "gr_rational_k": {},
    "gr_learned_k": {
        "estimator_lr": 0.1,
        "estimator_momentum": 0.9,
        "estimator_weight_decay": 0.001,
    },
    "gr_running_v": {"rate": 0.1},
    "gpr": {"regularisation": REQUIRED, "expected_positives": REQUIRED},
}
SIGNATURES |= {name: SIGNATURES["gr"] | extra for name, extra in GR_VARIANTS.items()}

# The shipped losses with one set of hyperparameters or more, the published ones first.
HYPERPARAMETERS = {
    "bce": [{}],
    "bce_ls": [{}, {"smoothing": 0.3}],
    "iun": [{}],
    "iu": [{}],
    "an": [{}],
    "an_ls": [{}, {"smoothing": 0.3}],
    "n_ls": [{}, {"smoothing": 0.3}],
    "wan": [{}],
    "dw": [{"weight": 0.1}, {"weight": 0}],
    "epr": [{"expected_positives": 1.5}],
    "entmin": [{"alpha": 0.2}],
    "focal": [{}, {"gamma": 1.5, "detach_weight": False}],
    "asl": [
        {},
        {"gamma_neg": 2, "gamma_pos": 1, "margin": 0.1, "detach_weight": False},
        {"gamma_neg": 0.5, "gamma_pos": 0.5, "margin": 0.2, "detach_weight": False},
        {"gamma_neg": 3, "gamma_pos": 2, "margin": 0, "detach_weight": False},
        {"gamma_neg": 0, "margin": 0.3},
        {"gamma_neg": 0.5, "margin": 0.5, "detach_weight": False},
        {"gamma_neg": 0.5, "margin": 1, "detach_weight": False},
        {"gamma_neg": 1, "margin": 1e-9},
    ],
    "hill": [{}, {"lam": 1, "margin": 0.5, "gamma": 0.5}],
    "hill_gr": [{}],
    "epr_gr": [{}],
    "splc": [{}, {"tau": 0.3, "margin": 0.5, "gamma": 1.5, "change_epoch": 4}],
    "role": [{"expected_positives": 1.5}],
    "em": [{"alpha": 0.2}, {"alpha": 0}],
    "em_apl": [{"alpha": 0.2, "beta": 0.02, "warmup_epochs": 4}],
    "ll_r": [{"delta_rel": 0.2}, {"delta_rel": 0}, {"delta_rel": 5}, {"delta_rel": 70}],
    "ll_ct": [{"delta_rel": 0.2}, {"delta_rel": 0}, {"delta_rel": 5}, {"delta_rel": 70}],
    "ll_cp": [
        *({"delta_rel": 0.2}, {"delta_rel": 0}, {"delta_rel": 5}, {"delta_rel": 100}),
        {"delta_rel": 5, "strict": True},
    ],
    "gr": [
        GR,
        {"beta": [0, 10, -2, -8], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1.5},
        {**GR, "q2": 0, "q3": 0, "linear_init": 3},
        {**GR, "q2": 1, "q3": 0.5, "alpha": [0.5, float("inf"), 0.5, float("inf")]},
    ],
    "gr_rational_k": [{**GR, "beta": [0, 0.5, 0, 0]}, {**GR, "beta": [-1, 0.9, 0.2, -0.1]}],
    "gr_learned_k": [GR],
    "gr_running_v": [GR, {**GR, "rate": 0.5}],
    "gpr": [
        {**GR, "regularisation": 0.05, "expected_positives": 1.5},
        {**GR, "q3": 1.5, "regularisation": 3, "expected_positives": 2.9},
    ],
    "bce_known": [{}],
    "partial_bce": [{}, {"alpha": 2, "beta": 1, "gamma": 0.5}],
    "partial_bce_global": [{"known_proportion": 0.1}, {"known_proportion": 0.5, "gamma": 2}],
    "ranking": [{}],
    "p_asl": [
        {},
        {"gamma_unannotated": 4, "gamma_neg": 3, "gamma_pos": 1.5, "clip": 0.1},
        {"alpha_pos": 2, "alpha_neg": 0.5, "alpha_unannotated": 0.3, "gamma_neg": 0},
        {"mode": "ignore", "gamma_pos": 1},
        {"mode": "ignore", "clip": 0.3, "gamma_neg": 0},
        {"mode": "ignore_normalize_classes"},
        {"mode": "selective", "gamma_unannotated": 4, "likelihood_topk": 2},
        {"mode": "selective", "gamma_unannotated": 0, "likelihood_topk": 0},
        {"mode": "selective", "likelihood_topk": 1, "clip": 0.05, "alpha_unannotated": 2},
    ],
    "two_way": [
        {},
        {"unobserved": "left_out"},
        {"temperature_pos": 0.5, "temperature_neg": 2.5},
    ],
    "vpu": [{"gamma": 0.55, "alpha": 1}, {"gamma": 0.85, "alpha": 2}, {"gamma": 0, "alpha": 0.1}],
}


def known_hyperparameters(name):
    """What is known of a loss that has no entry: its defaults, or what a method of it is given.

    None where a hyperparameter has no default, and no method in config/methods.yaml gives it.
    """
    required = {
        key
        for key, parameter in hyperparameters_of(loss_class(name)).items()
        if parameter.default is parameter.empty
    }
    if not required:
        return {}
    # Not at the top: the tests of tests/gpu need this file, but have no yaml.
    from spml.planning.files import read

    config = read("config/methods.yaml")
    for method, definition in config["methods"].items():
        for dataset in [None, *definition.get("datasets", {})]:
            resolved = resolve_method(config, method, dataset)
            if resolved["loss"] == name and required <= resolved["hyperparameters"].keys():
                return resolved["hyperparameters"]
    return None


# A loss that was added is tried with what is known of it.
for added in sorted(set(names()) - set(HYPERPARAMETERS)):
    if (chosen := known_hyperparameters(added)) is not None:
        HYPERPARAMETERS[added] = [chosen]
NAMES = list(HYPERPARAMETERS)
FIRST = [(name, sets[0]) for name, sets in HYPERPARAMETERS.items()]


@contextmanager
def case(*values):
    """Says in what fails within which of a test's cases it was."""
    try:
        yield
    except BaseException as error:  # pytest.raises fails with one that is no Exception
        error.add_note(f"The case: {', '.join(map(repr, values))}")
        raise


def make(name, hyperparameters, num_classes, num_examples, total_epochs=TOTAL_EPOCHS):
    return build(
        name,
        num_classes=num_classes,
        num_examples=num_examples,
        total_epochs=total_epochs,
        **hyperparameters,
    )


def random_batch(seed, rows, classes, labels, num_examples):
    """Logits and observed labels as arrays, and rows of the training split in random order.

    labels: `single` is one positive a row, `none` no positive, `mixed` all three values.
    """
    random = np.random.default_rng(seed)
    logits = np.clip(random.normal(0, 3, (rows, classes)), -12, 12)
    observed = np.zeros((rows, classes), dtype=int)
    if labels == "single":
        observed[np.arange(rows), random.integers(classes, size=rows)] = 1
        observed[::4] = 0
    if labels == "mixed":
        observed = random.integers(-1, 2, (rows, classes))
    index = random.permutation(num_examples)[:rows]
    return logits, observed, index


def evaluate(loss, logits, observed, index, epoch, dtype=torch.float64):
    """The value of the loss and its gradient with respect to the logits."""
    z = torch.tensor(logits, dtype=dtype, requires_grad=True)
    value = loss(z, torch.as_tensor(observed), index=torch.as_tensor(index), epoch=epoch)
    value.backward()
    return value.detach(), z.grad
