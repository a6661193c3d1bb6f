"""The training loop through its public door, on a task small enough to finish at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import CLASSES, CPU, make_data, make_trainer, same
from spml.measures.metrics import mean_average_precision
from spml.measures.selection import select_epoch, should_stop
from spml.plumbing.errors import Interrupted, UserError
from spml.plumbing.machine import Machine
from spml.training import engine
from spml.training.checkpoint import Checkpoint
from spml.training.entries import EntryRecord
from spml.training.images import flip_some, normalise
from spml.training.label_rows import label_rows
from spml.training.models import build_classifier, load_backbone
from spml.training.trace import TRACE_COLUMNS, Trace


def test_learns_and_records_every_epoch_and_step():
    data = make_data()
    result = make_trainer(data=data, epochs=6).run()
    assert [record["epoch"] for record in result.history] == [1, 2, 3, 4, 5, 6]
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert result.trace.shape == (6 * 6, len(TRACE_COLUMNS))
    assert np.isfinite(result.trace).all()
    best = select_epoch(result.history, "clean")
    score = mean_average_precision(result.val, data.truth[data.val_rows])
    assert score == pytest.approx(result.history[best - 1]["val_map"], abs=1e-9)
    assert score > 60


def test_last_and_first_scores_belong_to_their_epochs():
    data = make_data()
    result = make_trainer(data=data).run()
    for scores, record in (
        (result.val_first, result.history[0]),
        (result.val_last, result.history[-1]),
    ):
        assert mean_average_precision(scores, data.truth[data.val_rows]) == record["val_map"]


def test_returned_weights_give_the_returned_scores():
    data = make_data()
    trainer = make_trainer(data=data)
    result = trainer.run()
    fresh = build_classifier("digit_network", CLASSES)
    fresh.load_state_dict(result.weights)
    fresh.eval()
    inputs = normalise(torch.from_numpy(data.test_images).permute(0, 3, 1, 2), [0.2], [0.3])
    with torch.no_grad():
        expected = torch.sigmoid(fresh(inputs)).numpy()
    np.testing.assert_allclose(result.test, expected, atol=1e-5)


def test_trace_separates_true_from_false_negatives():
    """One step on all rows: the recorded means equal a direct computation from the logits."""
    data = make_data()
    trainer = make_trainer(data=data, epochs=1, batch_size=45)
    trainer.classifier.train()
    reference = build_classifier("digit_network", CLASSES)
    reference.load_state_dict(trainer.classifier.state_dict())
    inputs = normalise(torch.from_numpy(data.train_images[:45]).permute(0, 3, 1, 2), [0.2], [0.3])
    with torch.no_grad():
        p = torch.sigmoid(reference(inputs).double()).numpy()
    cost = -np.log(1 - p)
    truth, observed = data.truth[:45], data.observed[:45]
    trace = dict(zip(TRACE_COLUMNS, trainer.run().trace[0], strict=True))
    assert trace["true_negative_loss"] == pytest.approx(cost[~truth].mean(), rel=1e-4)
    assert trace["false_negative_loss"] == pytest.approx(
        cost[truth & (observed != 1)].mean(), rel=1e-4
    )
    assert trace["loss"] == pytest.approx(
        np.where(observed == 1, -np.log(p), cost).mean(), rel=1e-4
    )


@pytest.mark.parametrize("together", [1, 4])
def test_rows_of_the_trace_do_not_depend_on_how_many_are_made_at_once(together, monkeypatch):
    """Six steps an epoch, of which the last has fewer images."""
    given = {"loss": "ll_r", "hyperparameters": {"delta_rel": 5}}
    expected = make_trainer(**given).run()
    monkeypatch.setattr(engine, "STEPS_BETWEEN_SUMMARIES", together)
    found = make_trainer(**given).run()
    np.testing.assert_allclose(found.trace, expected.trace, rtol=1e-6)
    assert [e["modified"] for e in found.history] == [e["modified"] for e in expected.history]


def test_labels_that_are_none_are_refused_before_the_first_step():
    data = make_data()
    data.observed[data.train_rows[-1], 2] = 2
    with pytest.raises(ValueError, match="observed: values must be -1, 0 or 1"):
        make_trainer(data=data)


def test_large_logits_that_overflow_stop_with_place_and_range():
    with pytest.raises(
        UserError, match=r"test/run: not finite in epoch 1, step \d+: loss .* logits from"
    ):
        make_trainer(learning_rate=1e30).run()


def test_loss_that_makes_nan_of_ordinary_logits_is_named(monkeypatch):
    trainer = make_trainer("dw", hyperparameters={"weight": 0.5})
    monkeypatch.setattr(trainer.loss, "compute", lambda logits, *_: logits.sum() * torch.nan)
    with pytest.raises(UserError, match=r"step 1: loss nan, .*; mend the loss, spml\.losses\.dw$"):
        trainer.run()


@pytest.mark.parametrize("kept", [torch.zeros(3), [torch.zeros(3)], {"a": (torch.zeros(3), 1)}])
def test_loss_with_state_that_no_checkpoint_saves_is_refused(kept):
    """It would be lost when the run is stopped, and the run go on to other numbers."""
    trainer = make_trainer()
    compute = trainer.loss.compute

    def remembering(*given):
        trainer.loss.memory = kept
        return compute(*given)

    trainer.loss.compute = remembering
    with pytest.raises(UserError, match=r"spml\.losses\.an keeps tensors in memory, which no"):
        trainer.run()
    assert trainer.step == 1


def test_last_batch_of_one_that_cannot_be_normalised_is_a_sentence():
    data = make_data()
    small = replace(data, train_images=data.train_images[:, ::4, ::4].copy())
    with pytest.raises(UserError, match=r"the last batch has one image, .* batch_size \(now 44\)"):
        make_trainer(data=small, batch_size=44).run()


def test_stops_when_validation_falls_too_far():
    history = [{"val_map": value, "epoch": n} for n, value in enumerate((50, 60, 58.5, 57.9), 1)]
    assert [should_stop(history[:n], "clean", 2.0) for n in (1, 2, 3, 4)] == [
        False,
        False,
        False,
        True,
    ]
    assert not should_stop(history, "clean", None)


def test_stops_at_the_second_epoch_in_a_row_that_is_no_new_best():
    """Counted anew from each new best; an epoch as good as the best is none."""
    values = (50, 49, 51, 50.9, 51, 60)
    history = [{"val_map": value, "epoch": n} for n, value in enumerate(values, 1)]
    stops = [should_stop(history[:n], "clean", 2.0, 2) for n in range(1, 7)]
    assert stops == [False, False, False, False, True, False]
    assert [should_stop(history[:n], "clean", None, 1) for n in range(1, 4)] == [False, True, False]
    assert should_stop([*history, {"val_map": 57.9, "epoch": 7}], "clean", 2.0, 2)


def test_run_stops_where_its_patience_ends():
    result = make_trainer(epochs=9, early_stop_patience=1, learning_rate=1e-30).run()
    assert len(result.history) == 2  # weights that do not move are no new best
    assert len(make_trainer(epochs=3, learning_rate=1e-30).run().history) == 3


def test_selects_the_first_of_equal_epochs_and_by_the_chosen_labels():
    history = [
        {"epoch": 1, "val_map": 1.0, "val_map_observed": 9.0},
        {"epoch": 2, "val_map": 5.0, "val_map_observed": 2.0},
        {"epoch": 3, "val_map": 5.0, "val_map_observed": 1.0},
    ]
    assert select_epoch(history, "clean") == 2
    assert select_epoch(history, "observed") == 1


def test_frozen_epochs_change_the_head_alone(monkeypatch):
    gr = {
        "beta": [0, 2, -2, -2],
        "alpha": [0.5, 2, 0.8, 0.5],
        "q2": 0.01,
        "q3": 1,
        "linear_init": 1,
    }
    trainer = make_trainer("gr", hyperparameters=gr, epochs=2)
    parameters = dict(trainer.classifier.named_parameters())
    weights = {name: value.detach().clone() for name, value in parameters.items()}
    changed = {}

    def note(epoch, predict):
        """What the loop calls when an epoch has ended."""
        changed[epoch] = {
            name for name in weights if not torch.equal(parameters[name], weights[name])
        }

    monkeypatch.setattr(trainer.loss, "after_epoch", note)
    trainer.run()
    assert changed[1] == {"head.weight", "head.bias"}
    assert changed[2] == set(weights)


def test_head_and_loss_parameters_have_their_own_rates():
    role = {"expected_positives": 1.5, "estimator_lr_multiplier": 10}
    trainer = make_trainer("role", hyperparameters=role, head_learning_rate_multiplier=5.0)
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    assert rates == pytest.approx([0.01, 0.05, 0.1])


def test_normalise_is_the_formula():
    images = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = (images.double() / 255 - torch.tensor(mean).double()[:, None, None]) / torch.tensor(
        deviation
    ).double()[:, None, None]
    torch.testing.assert_close(
        normalise(images, mean, deviation).double(), expected, atol=1e-5, rtol=0
    )


def test_flips_exactly_the_chosen_images():
    images = torch.arange(12).reshape(2, 1, 2, 3)
    flipped = flip_some(images, torch.tensor([True, False]))
    assert flipped[0, 0].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert torch.equal(flipped[1], images[1])


def test_weights_of_another_network_are_refused(tmp_path):
    classifier = build_classifier("digit_network", CLASSES)
    torch.save({"other": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="does not hold weights of a DigitNetwork"):
        load_backbone(classifier, tmp_path / "w.pt")
    with pytest.raises(UserError, match="do not exist"):
        load_backbone(classifier, tmp_path / "none.pt")
    torch.save({"code": print}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="does not hold weights"):
        load_backbone(classifier, tmp_path / "evil.pt")


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_result_does_not_depend_on_who_reads_the_images(workers):
    expected = make_trainer("ll_r", hyperparameters={"delta_rel": 5}, flip=True).run()
    machine = Machine(workers=workers, resident_megabytes=0)
    trainer = make_trainer("ll_r", hyperparameters={"delta_rel": 5}, flip=True, machine=machine)
    assert same(trainer.run(), expected)


def test_history_counts_what_the_loss_modified(monkeypatch):
    data = make_data()
    trainer = make_trainer("ll_ct", data=data, hyperparameters={"delta_rel": 5})
    truth, observed = data.truth[data.train_rows], data.observed[data.train_rows]
    seen: dict[int, list[np.ndarray]] = {}
    forward = trainer.loss.forward

    def watched(logits, labels, *, index, epoch):
        value = forward(logits, labels, index=index, epoch=epoch)
        missed = torch.from_numpy(truth & (observed != 1))[index]
        modified = trainer.loss.modified
        counts = [int(modified.sum()), int((modified & missed).sum())]
        seen.setdefault(epoch, []).append(np.array(counts))
        return value

    monkeypatch.setattr(trainer.loss, "forward", watched)
    history = trainer.run().history
    assert [record["modified"] for record in history] == [
        dict(zip(("entries", "false_negatives"), sum(seen[epoch]).tolist(), strict=True))
        for epoch in (1, 2, 3)
    ]
    assert history[0]["modified"]["entries"] == 0 < history[2]["modified"]["false_negatives"]


def test_mask_that_a_loss_writes_over_is_counted_as_it_was(monkeypatch):
    """What a step modified is counted later, when the loss may have used its memory again."""
    given = {"loss": "ll_ct", "hyperparameters": {"delta_rel": 5}}
    expected = make_trainer(**given).run().history
    trainer = make_trainer(**given)
    forward, masks = trainer.loss.forward, {}

    def reusing(logits, labels, *, index, epoch):
        value = forward(logits, labels, index=index, epoch=epoch)
        new = trainer.loss.modified
        trainer.loss.modified = masks.setdefault(new.shape, torch.empty_like(new)).copy_(new)
        return value

    monkeypatch.setattr(trainer.loss, "forward", reusing)
    assert trainer.run().history == expected


def test_history_says_nothing_of_modified_entries_where_none_can_be():
    assert all(record["modified"] is None for record in make_trainer("an").run().history)


DEFAULTS = {
    "dw": {"weight": 0.1},
    "epr": {"expected_positives": 1.5},
    "role": {"expected_positives": 1.5},
    "em": {"alpha": 0.1},
    "em_apl": {"alpha": 0.1, "beta": 0.2, "warmup_epochs": 1},
    "entmin": {"alpha": 0.1},
    "gr": {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1},
    "ll_r": {"delta_rel": 5},
    "ll_ct": {"delta_rel": 5},
    "ll_cp": {"delta_rel": 5},
}


@pytest.mark.parametrize("name", ["an", "iu", "wan", "focal", "asl", "hill", "splc", *DEFAULTS])
def test_a_step_reads_nothing_from_the_device(name, tmp_path):
    """On torch's device without memory every read of a value is an error."""
    meta = torch.device("meta")
    trainer = make_trainer(name, hyperparameters=DEFAULTS.get(name))
    trainer.classifier.to(meta)
    trainer.loss.to(meta)
    rows = trainer.data.train_rows
    trainer.device, trainer.observed = meta, label_rows(trainer.data.observed, rows, meta)
    truth = label_rows(trainer.data.truth, rows, meta)
    trainer.trace = Trace(100, meta, truth=truth, observed=trainer.observed)
    shape = (len(trainer.data.train_rows), CLASSES)
    trainer.entries = EntryRecord(tmp_path / "run.pt", shape, meta, going_on=False)
    trainer.optimizer = torch.optim.SGD(trainer.classifier.parameters(), lr=0.1)
    inputs = torch.zeros((8, 1, 16, 16), device=meta)
    index = torch.zeros(8, dtype=torch.int64, device=meta)
    for _ in range(2):
        trainer._take_step(inputs, index, 2)
    trainer.trace.summarise()
    with pytest.raises((RuntimeError, NotImplementedError)):
        trainer.trace.values[0, 0].item()


def test_entries_are_recorded_as_they_cost_when_they_were_trained_on(tmp_path):
    data = make_data()
    record = EntryRecord(tmp_path / "run.pt", (45, CLASSES), CPU, going_on=False)
    trainer = make_trainer(data=data, epochs=2, batch_size=45)
    trainer.entries = record
    result = trainer.run()
    record.finish(2, tmp_path)
    entries = np.load(tmp_path / "entries.npy").astype(np.float64)
    assert entries.shape == (2, 45, CLASSES)
    # With one step an epoch, the trace holds their means over true negatives and over missed ones.
    truth, observed = data.truth[data.train_rows], data.observed[data.train_rows]
    trace = dict(zip(TRACE_COLUMNS, result.trace.T, strict=True))
    for epoch in range(2):
        for name, chosen in (("true", ~truth), ("false", truth & (observed != 1))):
            mean = trace[f"{name}_negative_loss"][epoch]
            assert entries[epoch][chosen].mean() == pytest.approx(mean, rel=1e-3)
    assert not np.load(tmp_path / "modified.npy").any()
    record.remove()
    assert {path.name for path in tmp_path.iterdir()} == {"entries.npy", "modified.npy"}


@pytest.mark.parametrize("name", ["ll_r", "ll_ct", "ll_cp"])
def test_modified_entries_are_recorded_where_they_are(name, tmp_path):
    """As many as the history counts, unobserved all; of the permanent loss as its state says."""
    data = make_data()
    record = EntryRecord(tmp_path / "run.pt", (45, CLASSES), CPU, going_on=False)
    trainer = make_trainer(name, data=data, epochs=3, hyperparameters={"delta_rel": 5})
    trainer.entries = record
    history = trainer.run().history
    record.finish(3, tmp_path)
    packed = np.load(tmp_path / "modified.npy")
    assert packed.dtype == np.uint8
    modified = np.unpackbits(packed, axis=2, count=CLASSES).astype(bool)
    truth, observed = data.truth[data.train_rows], data.observed[data.train_rows]
    assert not modified[:, observed != 0].any()
    for epoch, noted in zip(history, modified, strict=True):
        assert epoch["modified"] == {
            "entries": noted.sum(),
            "false_negatives": (noted & truth & (observed != 1)).sum(),
        }
    assert modified[1:].any()
    if name == "ll_cp":
        assert modified.sum(axis=0).max() == 1
        np.testing.assert_array_equal(modified.any(axis=0), trainer.loss.corrected.numpy())


def test_record_that_a_checkpoint_counts_on_must_be_there(tmp_path):
    device = CPU
    EntryRecord(tmp_path / "run.pt", (3, 4), device, going_on=False)
    EntryRecord(tmp_path / "run.pt", (3, 4), device, going_on=True)
    for name in ("entries", "modified"):
        content = (tmp_path / f"run.{name}").read_bytes()
        (tmp_path / f"run.{name}").unlink()
        with pytest.raises(UserError, match=rf"run\.{name} is missing, which the checkpoint"):
            EntryRecord(tmp_path / "run.pt", (3, 4), device, going_on=True)
        (tmp_path / f"run.{name}").write_bytes(content)


def test_last_good_checkpoint_stays_when_the_loss_stops_being_finite(tmp_path, monkeypatch):
    path = tmp_path / "seed0.pt"
    trainer = make_trainer(checkpoint=Checkpoint(path, {}))
    compute = trainer.loss.compute
    monkeypatch.setattr(
        trainer.loss, "compute", lambda *given: compute(*given) / (0 if given[3] == 2 else 1)
    )
    with pytest.raises(UserError, match="not finite in epoch 2, step 1: loss inf"):
        trainer.run()
    trainer.checkpoint.finish()
    state = Checkpoint(path, {}).load()
    assert len(state["history"]) == 1
    assert all(value.isfinite().all() for value in state["classifier"].values())


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """The last update before a checkpoint can spoil the weights without any loss showing it."""
    trainer = make_trainer(checkpoint=Checkpoint(tmp_path / "seed0.pt", {}))
    trainer.stop = lambda: True
    with pytest.raises(Interrupted):
        trainer.run()
    before = (tmp_path / "seed0.pt").read_bytes()

    def spoil() -> bool:
        with torch.no_grad():
            trainer.classifier.head.bias[0] = torch.nan
        return True

    trainer.stop = spoil
    with pytest.raises(UserError, match=r"not finite after 0 epochs and 2 steps, head\.bias first"):
        trainer.run()
    assert (tmp_path / "seed0.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("precision", "advice"),
    [("fp32", "learning_rate"), ("bf16", "learning_rate or precision fp32")],
)
def test_weights_that_no_score_shows_are_looked_at_too(precision, advice):
    """Of a kernel on a map of one pixel all but the centre meets nothing but padding."""
    trainer = make_trainer(precision=precision)
    unread = torch.nn.Parameter(torch.tensor(torch.nan))
    trainer.classifier.backbone.register_parameter("unread", unread)
    with pytest.raises(UserError) as error:
        trainer.run()
    assert str(error.value).startswith("test/run: 1 of the network's ")
    assert "after 1 epochs and 0 steps, backbone.unread first" in str(error.value)
    assert str(error.value).endswith(f"; try a lower {advice}")


@pytest.mark.parametrize("name", ["role", "em_apl", "ll_cp"])
def test_whole_state_goes_through_a_checkpoint_at_any_moment(name, tmp_path):
    """Stop after one, two or three steps or batches of scores, go on in a new trainer, and so on."""
    given = {"loss": name, "hyperparameters": DEFAULTS[name], "epochs": 3}
    expected = make_trainer(**given).run()
    moments = set()
    for attempt in range(100):
        checkpoint = Checkpoint(tmp_path / "seed0.pt", {})
        state = checkpoint.load()
        trainer = make_trainer(**given, checkpoint=checkpoint)
        if state is not None:
            trainer.load_state(state)
            moments.add((state["step"], state["settled"]))
        answers = iter([False] * (attempt % 3) + [True])
        trainer.stop = lambda answers=answers: next(answers)
        try:
            result = trainer.run()
            break
        except Interrupted:
            pass
    assert same(result, expected)
    assert {(0, False), (6, False), (6, True)} <= moments


def test_time_of_the_processor_is_counted_and_goes_on_with_the_run():
    trainer = make_trainer(epochs=1)
    trainer.run()
    assert trainer.processor_seconds > 0
    going_on = make_trainer(epochs=1)
    going_on.load_state(trainer.state())
    assert going_on.processor_seconds == trainer.processor_seconds
