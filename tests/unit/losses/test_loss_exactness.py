"""Value and gradient of every loss equal its definition, for random batches."""

import loss_definitions
import numpy as np
import pytest
import torch
from loss_cases import (
    HYPERPARAMETERS,
    NAMES,
    SIGNATURES,
    TOTAL_EPOCHS,
    case,
    evaluate,
    make,
    random_batch,
)

EXAMPLES = 9
BATCHES = [
    (rows, classes, labels)
    for rows, classes in [(1, 1), (1, 6), (5, 1), (4, 7)]
    for labels in ["single", "none", "mixed"]
]


def state_of(loss, name, index):
    """Puts random state in the module where a loss keeps some, and returns it as arrays."""
    random = np.random.default_rng(len(index))
    shape = (EXAMPLES, loss.num_classes)
    if name == "role":
        loss.seen.fill_(True)
        state = {"estimator": random.normal(size=shape)}
    elif name == "em_apl":
        r = random.uniform(0, 0.6, shape) * random.integers(0, 2, shape)
        state = {"pseudo_negative": r}
    elif name == "ll_cp":
        state = {"corrected": random.uniform(size=shape) < 0.2}
    elif name == "gr_learned_k":
        state = {"slope_and_offset": random.normal(size=(2, loss.num_classes))}
    elif name == "gr_running_v":
        state = {"mu": np.array(0.4), "sigma": np.array(0.7)}
    else:
        return {}
    with torch.no_grad():
        for key, value in state.items():
            getattr(loss, key).copy_(torch.as_tensor(value))
    return {key: value.copy() for key, value in state.items()}


def definition_of(name):
    """The function of z, s and what else it needs that a loss is compared with."""
    if name not in SIGNATURES and not hasattr(loss_definitions, name):
        pytest.skip(
            f"the loss {name} is compared with its definition as soon as a function of its name in "
            "tests/unit/losses/loss_definitions.py states it"
        )
    return getattr(loss_definitions, name)


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_equal_the_definition(name):
    stated = definition_of(name)
    for chosen in HYPERPARAMETERS[name]:
        for seed, (rows, classes, labels) in enumerate(BATCHES):
            if name == "wan" and classes == 1:
                continue
            for epoch in [1, 2, 5, TOTAL_EPOCHS]:
                logits, observed, index = random_batch(
                    100 * seed + epoch, rows, classes, labels, EXAMPLES
                )
                loss = make(name, chosen, classes, EXAMPLES).double()
                state = state_of(loss, name, index)
                known = {"index": index, "epoch": epoch, "total_epochs": TOTAL_EPOCHS}

                def definition(z, s=observed, known=(known | state | chosen)):
                    return stated(z, s, **known)

                value, gradient = evaluate(loss, logits, observed, index, epoch)
                where = f"{name} {chosen} {rows}x{classes} {labels} epoch {epoch}"
                np.testing.assert_allclose(
                    value.item(), definition(logits), rtol=1e-9, atol=1e-13, err_msg=where
                )
                np.testing.assert_allclose(
                    gradient.numpy(),
                    loss_definitions.gradient(definition, logits),
                    rtol=1e-8,
                    atol=1e-13,
                    err_msg=where,
                )


@pytest.mark.parametrize("name", NAMES)
def test_value_on_a_batch_of_the_usual_size(name):
    stated = definition_of(name)
    logits, observed, index = random_batch(7, 16, 20, "single", 40)
    for chosen in HYPERPARAMETERS[name]:
        loss = make(name, chosen, 20, 40).double()
        state = {
            key: value.detach().numpy().copy()
            for key, value in loss.state_dict(keep_vars=True).items()
        }
        if name == "role":
            known = observed != 0
            state["estimator"][index] = np.where(
                known, observed * np.log(0.995 / 0.005), state["estimator"][index]
            )
        value, _ = evaluate(loss, logits, observed, index, 4)
        expected = stated(
            logits, observed, index=index, epoch=4, total_epochs=TOTAL_EPOCHS, **state, **chosen
        )
        np.testing.assert_allclose(value.item(), expected, rtol=1e-9, err_msg=str(chosen))


def test_gradient_of_roles_estimator():
    logits, observed, index = random_batch(3, 4, 6, "mixed", EXAMPLES)
    loss = make("role", {"expected_positives": 2.5}, 6, EXAMPLES).double()
    state = state_of(loss, "role", index)
    evaluate(loss, logits, observed, index, 2)

    def definition(estimator):
        return loss_definitions.role(
            logits, observed, expected_positives=2.5, estimator=estimator, index=index
        )

    expected = loss_definitions.gradient(definition, state["estimator"])
    assert not expected[np.setdiff1d(np.arange(EXAMPLES), index)].any()
    np.testing.assert_allclose(loss.estimator.grad.numpy(), expected, rtol=1e-8, atol=1e-13)


# Those that take no gradient from a detached part with any set of hyperparameters or with some;
# of a loss that was added, that is not known.
DETACHED = ("role", "gpr", "p_asl", "vpu")
FULL_GRADIENT = [name for name in SIGNATURES if name not in DETACHED and not name.startswith("gr")]


@pytest.mark.parametrize("name", FULL_GRADIENT)
def test_gradient_equals_finite_differences(name):
    logits, observed, index = random_batch(11, 3, 4, "mixed", EXAMPLES)
    for chosen in HYPERPARAMETERS[name]:
        if name in ("focal", "asl") and chosen.get("detach_weight", True):
            continue
        loss = make(name, chosen, 4, EXAMPLES).double()
        state_of(loss, name, index)
        loss.eval()  # or every evaluation would correct further labels
        z = torch.tensor(logits, requires_grad=True)
        s, rows = torch.tensor(observed), torch.tensor(index)
        with case(chosen):
            assert torch.autograd.gradcheck(
                lambda x, loss=loss, s=s, rows=rows: loss(x, s, index=rows, epoch=3), (z,)
            )


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_agrees_with_double(name):
    logits, observed, index = random_batch(5, 8, 6, "single", EXAMPLES)
    logits = logits.astype(np.float32)
    for chosen in HYPERPARAMETERS[name]:
        torch.manual_seed(0)
        single = make(name, chosen, 6, EXAMPLES)
        double = make(name, chosen, 6, EXAMPLES).double()
        double.load_state_dict(single.state_dict())
        value, gradient = evaluate(single, logits, observed, index, 3, torch.float32)
        expected, expected_gradient = evaluate(double, logits, observed, index, 3)
        with case(chosen):
            assert value.dtype == torch.float32
            assert expected.dtype == torch.float64
            torch.testing.assert_close(value.double(), expected, rtol=2e-5, atol=1e-6)
            torch.testing.assert_close(gradient.double(), expected_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["iu", "ll_cp", "role", "splc", "em_apl"])
def test_type_of_labels_and_index_does_not_matter(name):
    logits, observed, index = random_batch(5, 6, 4, "mixed", EXAMPLES)

    def value_with(label_type, index_type):
        torch.manual_seed(0)
        loss = make(name, HYPERPARAMETERS[name][0], 4, EXAMPLES)
        return loss(
            torch.tensor(logits),
            torch.tensor(observed).to(label_type),
            index=torch.tensor(index).to(index_type),
            epoch=3,
        )

    for labels in [torch.int8, torch.int64, torch.float32, torch.float64]:
        with case(labels):
            assert value_with(labels, torch.int32) == value_with(torch.int64, torch.int64)
