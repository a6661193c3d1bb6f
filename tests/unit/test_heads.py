"""The BoostLU head and the first phase of LinearInit."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from spml import losses
from spml.features import extract_features
from spml.measures.metrics import mean_average_precision
from spml.plumbing.errors import Interrupted, UserError
from spml.plumbing.machine import Machine
from spml.training.checkpoint import Checkpoint
from spml.training.images import normalise
from spml.training.linear_init import HeadTrainer
from spml.training.models import BoostedHead, LinearHead, build_classifier

CLASSES, FEATURES = 3, 6


def test_boosted_head_is_its_definition():
    """Class activation at each place, times 5 where positive, then the mean over the places."""
    head = BoostedHead(FEATURES, CLASSES)
    features = torch.randn(2, FEATURES, 4, 5)
    weight = head.weight.detach().numpy().reshape(CLASSES, FEATURES)
    bias = head.bias.detach().numpy()
    for row in range(2):
        for label in range(CLASSES):
            total = 0.0
            for y in range(4):
                for x in range(5):
                    value = weight[label] @ features[row, :, y, x].numpy() + bias[label]
                    total += 5 * value if value > 0 else value
            assert head(features)[row, label].item() == pytest.approx(total / 20, abs=1e-5)


def test_without_positive_activations_both_heads_agree():
    torch.manual_seed(0)
    linear, boosted = LinearHead(FEATURES, CLASSES), BoostedHead(FEATURES, CLASSES)
    with torch.no_grad():
        boosted.weight.copy_(linear.weight[:, :, None, None])
        boosted.bias.copy_(linear.bias - 100)
        linear.bias -= 100
    features = torch.randn(2, FEATURES, 4, 4)
    torch.testing.assert_close(linear(features), boosted(features))


def test_heads_start_from_the_same_weights():
    weights = []
    for head in ("linear", "boostlu"):
        torch.manual_seed(3)
        weights.append(build_classifier("digit_network", CLASSES, head).head.weight.flatten())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_features_are_the_pooled_map_of_the_backbone():
    torch.manual_seed(0)
    classifier = build_classifier("digit_network", CLASSES)
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 1)).astype(np.uint8)
    batches = extract_features(
        classifier.backbone, images, mean=[0.1], deviation=[0.2], device=torch.device("cpu")
    )
    features = np.concatenate(list(batches))
    classifier.eval()
    inputs = normalise(torch.from_numpy(images).permute(0, 3, 1, 2), [0.1], [0.2])
    with torch.no_grad():
        expected = classifier(inputs)
        np.testing.assert_allclose(classifier.head(torch.from_numpy(features)), expected, atol=1e-5)


def linear_task(seed: int = 0):
    """Features from which a linear head can tell the classes."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(300, FEATURES)).astype(np.float32)
    truth = features @ random.normal(size=(FEATURES, CLASSES)) > 0.5
    observed = np.where(truth, 1, -1).astype(np.int8)
    rows = np.arange(300)
    return features, truth, observed, rows[:200], rows[200:]


def make_trainer(
    loss_name="bce", epochs=25, seed=0, checkpoint=None, selection="clean", **hyperparameters
):
    features, truth, observed, train, val = linear_task()
    if selection == "observed":
        # Of a validation image only its first positive is seen.
        first = truth & (truth.cumsum(axis=1) == 1)
        observed = np.where(np.isin(np.arange(len(truth)), val)[:, None], first, observed)
        observed = observed.astype(np.int8)
    torch.manual_seed(0)
    head = LinearHead(FEATURES, CLASSES)
    loss = losses.build(
        loss_name,
        num_classes=CLASSES,
        num_examples=len(train),
        total_epochs=epochs,
        **hyperparameters,
    )
    return HeadTrainer(
        head, loss, features, train_rows=train, val_rows=val, truth=truth, observed=observed,
        batch_size=16, learning_rate=0.01, seed=seed, name="test/run", device=torch.device("cpu"),
        checkpoint=checkpoint, selection=selection,
    )  # fmt: skip


def fit(*given, **named):
    trainer = make_trainer(*given, **named)
    result = trainer.run()
    features, truth, _, _, val = linear_task()
    with torch.no_grad():
        scores = torch.sigmoid(trainer.head(torch.from_numpy(features[val]))).numpy()
    return result, trainer.head, trainer.loss, mean_average_precision(scores, truth[val])


def test_head_learns_and_is_left_at_its_best_epoch():
    result, _, _, score = fit()
    assert score == pytest.approx(result.val_map)
    assert score > 95
    assert 1 <= result.selected_epoch <= 25


def test_epoch_is_selected_by_the_labels_that_the_protocol_says():
    trainer = make_trainer(selection="observed")
    result = trainer.run()
    features, truth, _, _, val = linear_task()
    seen = truth[val] & (truth[val].cumsum(axis=1) == 1)
    with torch.no_grad():
        scores = torch.sigmoid(trainer.head(torch.from_numpy(features[val]))).numpy()
    assert result.val_map == pytest.approx(mean_average_precision(scores, seen))
    assert result.val_map < mean_average_precision(scores, truth[val]) - 5


def test_same_seed_gives_the_same_head_another_seed_another():
    first, again, other = fit()[1], fit()[1], fit(seed=1)[1]
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_what_the_loss_has_learnt_is_kept_with_the_best_head():
    _, _, loss, _ = fit("role", epochs=3, expected_positives=1.0)
    torch.manual_seed(0)
    LinearHead(FEATURES, CLASSES)
    fresh = losses.build(
        "role", num_classes=CLASSES, num_examples=200, total_epochs=3, expected_positives=1.0
    )
    assert not torch.equal(loss.estimator, fresh.estimator)


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("role", {"expected_positives": 1.0}),
        ("ll_cp", {"delta_rel": 5}),
        ("em_apl", {"alpha": 0.1, "beta": 0.2, "warmup_epochs": 1}),
    ],
)
def test_head_goes_on_from_any_step(name, hyperparameters, tmp_path):
    given = {"loss_name": name, "epochs": 3, **hyperparameters}
    whole = make_trainer(**given)
    expected = whole.run()
    moments = set()
    for _ in range(100):
        trainer = make_trainer(**given, checkpoint=Checkpoint(tmp_path / "seed0.pt", {}))
        state = trainer.checkpoint.load()
        if state is not None:
            trainer.load_state(state["linear_init"])
            moments.add((trainer.epoch, trainer.step))
        trainer.stop = lambda: True
        try:
            result = trainer.run()
            break
        except Interrupted:
            pass
    assert result == expected
    assert moments == {(epoch, step) for epoch in (1, 2, 3) for step in range(1, 14)}
    for first, second in ((whole.head, trainer.head), (whole.loss, trainer.loss)):
        states = first.state_dict(), second.state_dict()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("resident_megabytes", [0, 256])
def test_features_and_sparse_labels_are_read_row_by_row(resident_megabytes, tmp_path):
    """The same head from a file, with labels of which few are known."""
    features, truth, observed, train, val = linear_task()
    np.save(tmp_path / "features.npy", features)
    known = np.random.default_rng(1).random(truth.shape) < 0.5
    truth, observed = truth & known, np.where(known, observed, 0).astype(np.int8)
    results = []
    for source, form in ((features, np.asarray), (tmp_path / "features.npy", csr_array)):
        mapped = source if form is np.asarray else np.load(source, mmap_mode="r")
        torch.manual_seed(0)
        trainer = HeadTrainer(
            LinearHead(FEATURES, CLASSES),
            losses.build("iun", num_classes=CLASSES, num_examples=len(train), total_epochs=3),
            mapped, train_rows=train, val_rows=val, truth=form(truth), observed=form(observed),
            annotated=form(known), batch_size=16, learning_rate=0.01, seed=0, name="test/run",
            device=torch.device("cpu"), machine=Machine(resident_megabytes=resident_megabytes),
        )  # fmt: skip
        results.append((trainer.run(), trainer.head.weight))
    (expected, weight), (found, same_weight) = results
    assert found == expected
    assert torch.equal(same_weight, weight)
    with torch.no_grad():
        scores = torch.sigmoid(trainer.head(torch.from_numpy(features[val]))).numpy()
    assert found.val_map == mean_average_precision(scores, truth[val], ~known[val])


def test_head_whose_scores_are_not_finite_is_a_sentence():
    trainer = make_trainer("bce", epochs=1)
    with torch.no_grad():
        trainer.head.weight[0, 0] = torch.nan
    with pytest.raises(UserError, match="test/run: scores of the head are not finite in epoch 1"):
        trainer.run()
