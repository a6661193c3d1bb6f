"""What a call of a loss may leave out, and the sentence where it leaves out too much."""

import pytest
import torch
from loss_cases import HYPERPARAMETERS, NAMES, TOTAL_EPOCHS, case, make, random_batch
from spml.losses import build, loss_class
from spml.losses.base import Loss

ROWS, CLASSES, EXAMPLES = 6, 5, 8
REMEMBER = {"em_apl", "ll_cp", "role"}
FOLLOW = {"splc", "ll_r", "ll_ct", "ll_cp", "gr", "gr_learned_k", "gr_rational_k", "gr_running_v"}
SCHEDULED = {"em_apl", "gr", "gr_learned_k", "gr_rational_k", "gr_running_v"}


def batch():
    logits, observed, index = random_batch(0, ROWS, CLASSES, "mixed", EXAMPLES)
    return torch.tensor(logits), torch.tensor(observed), torch.tensor(index)


def test_what_the_shipped_losses_need():
    assert {name for name in NAMES if loss_class(name).remembers_examples} >= REMEMBER
    assert {name for name in NAMES if loss_class(name).follows_epochs} >= FOLLOW
    for name in SCHEDULED:
        with pytest.raises(ValueError, match=r"^total_epochs: is missing; \w+ has a schedule"):
            build(name, num_classes=5, num_examples=8, **HYPERPARAMETERS[name][0])


@pytest.mark.parametrize("name", NAMES)
def test_index_and_number_of_examples_are_asked_for_where_they_are_used(name):
    logits, observed, index = batch()
    sizes = {"num_classes": CLASSES, "total_epochs": TOTAL_EPOCHS}
    for chosen in HYPERPARAMETERS[name]:
        with case(chosen):
            if loss_class(name).remembers_examples:
                with pytest.raises(ValueError, match=r"^num_examples: is missing; \w+ keeps state"):
                    build(name, **sizes, **chosen)
                loss = make(name, chosen, CLASSES, EXAMPLES)
                state = loss.state_dict().values()
                assert any(value.shape[:1] == (EXAMPLES,) for value in state)
                with pytest.raises(ValueError, match=r"^index: is missing; \w+ keeps state"):
                    loss(logits, observed, epoch=2)
                continue
            for epoch in (1, 2, TOTAL_EPOCHS):
                # A new one each time: some have a state of the batches that they have seen.
                full = make(name, chosen, CLASSES, EXAMPLES)
                bare = build(name, **sizes, **chosen)
                without = bare(logits, observed, epoch=epoch)
                assert without == full(logits, observed, index=index, epoch=epoch)


@pytest.mark.parametrize("name", NAMES)
def test_epoch_is_asked_for_where_it_is_used(name):
    logits, observed, index = batch()
    moves = False
    for chosen in HYPERPARAMETERS[name]:
        with case(chosen):
            torch.manual_seed(0)  # ROLE draws its first estimates
            loss = make(name, chosen, CLASSES, EXAMPLES).eval()
            values = {
                loss(logits, observed, index=index, epoch=epoch).item()
                for epoch in range(1, TOTAL_EPOCHS + 1)
            }
            moves |= len(values) > 1
            if loss.follows_epochs:
                with pytest.raises(ValueError, match=r"^epoch: is missing; \w+ changes from"):
                    loss(logits, observed, index=index)
            else:
                assert {loss(logits, observed, index=index).item()} == values
    assert moves == loss_class(name).follows_epochs


def test_loss_without_sizes_takes_any_row_and_any_epoch():
    logits, observed, index = batch()
    loss = build("ll_r", num_classes=CLASSES, delta_rel=5)
    assert loss(logits, observed, index=index + 10**6, epoch=10**6).isfinite()
    for epoch in (0, 1.5):
        with pytest.raises(ValueError, match=r"^epoch: "):
            loss(logits, observed, epoch=epoch)


class Undeclared(Loss):
    """Uses what it does not say that it uses."""

    def __init__(self, uses: str) -> None:
        super().__init__(num_classes=CLASSES, num_examples=EXAMPLES, total_epochs=TOTAL_EPOCHS)
        self.uses = uses
        self.register_buffer("memory", torch.zeros(EXAMPLES, CLASSES))

    def compute(self, logits, observed, index, epoch):
        if self.uses == "index":
            return (logits + self.memory[index]).mean()
        return logits.mean() * (epoch - 1)


def test_loss_that_does_not_say_what_it_needs_is_not_given_something_wrong():
    logits, observed, index = batch()
    for uses, error in (("index", IndexError), ("epoch", TypeError)):
        loss = Undeclared(uses)
        assert loss(logits, observed, index=index, epoch=1).isfinite()
        with pytest.raises(error):
            loss(logits, observed)
