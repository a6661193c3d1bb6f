"""Which runs have the same settings under another name, so that one training serves both."""

import pytest
from spml.planning.identical import trained_as

METHODS = {
    "an": {"title": "AN", "loss": "an"},
    "gr": {"title": "GR", "loss": "gr", "hyperparameters": {"q3": 1.0, "beta": 2}},
}
TRAINING = {"epochs": 8, "batch_size": 8, "learning_rate": 0.001}


def found(methods, dataset="voc", observations=None, protocol=None):
    config = {
        "datasets": {"voc": {}, "coco": {}},
        "protocols": {
            "p": {
                **{"observation": "single", "validation_fraction": 0.2, "split_seed": 1200},
                **{"training": TRAINING, **(protocol or {})},
            }
        },
        "observations": {
            "single": {"positives": 1, "seed": 1},
            "same": {"seed": 1, "positives": 1},
            "other": {"positives": 1, "seed": 2},
            **(observations or {}),
        },
        "methods": {**METHODS, **methods},
        "device": "cpu",
        "threads": 1,
    }
    return {name: trained_as(config, dataset, "p", name) for name in config["methods"]}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"hyperparameters": {"beta": 2, "q3": 1.0}},
        {"training": {"epochs": 8}},
        {"observation": "single"},
        {"observation": "same"},
        {"protocols": {"another": {"hyperparameters": {"q3": 3.0}}}},
        {"datasets": {"coco": {"hyperparameters": {"q3": 3.0}}}},
    ],
)
def test_what_says_nothing_new_is_trained_as_what_it_extends(own):
    assert found({"mine": {"title": "Mine", "extends": "gr", **own}})["mine"] == "gr"


@pytest.mark.parametrize(
    "own",
    [
        {"hyperparameters": {"q3": 0.5}},
        {"training": {"epochs": 9}},
        {"observation": "other"},
        {"head": "label_wise"},
        {"loss": "an"},
        {"prior_from": "an"},
        {"protocols": {"p": {"hyperparameters": {"q3": 3.0}}}},
        {"datasets": {"voc": {"hyperparameters": {"q3": 3.0}}}},
    ],
)
def test_anything_that_numbers_may_depend_on_is_a_run_of_its_own(own):
    assert found({"mine": {"title": "Mine", "extends": "gr", **own}})["mine"] == "mine"


def test_dataset_decides():
    mine = {"title": "Mine", "extends": "gr", "datasets": {"coco": {"hyperparameters": {"q3": 3}}}}
    assert found({"mine": mine}, "voc")["mine"] == "gr"
    assert found({"mine": mine}, "coco")["mine"] == "mine"


def test_farthest_that_is_the_same_is_trained():
    chain = {
        "one": {"title": "One", "extends": "gr"},
        "two": {"title": "Two", "extends": "one"},
        "three": {"title": "Three", "extends": "two", "hyperparameters": {"q3": 0.5}},
        "four": {"title": "Four", "extends": "three"},
        "back": {"title": "Back", "extends": "four", "hyperparameters": {"q3": 1.0}},
    }
    assert found(chain) == {
        "an": "an", "gr": "gr", "one": "gr", "two": "gr", "three": "three", "four": "three",
        "back": "back",
    }  # fmt: skip


def test_scores_from_elsewhere_are_no_training():
    given = {"given": {"title": "Given", "scores": "{seed}.npz"}}
    more = {"more": {"title": "More", "extends": "given"}}
    assert found(given | more)["more"] == "more"
