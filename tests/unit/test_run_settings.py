"""Settings of many runs in short, and told apart from those that a run was made with."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from spml.plumbing.errors import UserError
from spml.plumbing.run_settings import check_record, restore, shorten

FOLDER = Path("results/runs/d0/p0/m0/seed3")


def random_settings(random: np.random.Generator) -> dict:
    """Settings of few different values, so that many are shared, and some are left out."""
    training = {f"t{n}": random.integers(0, 2) for n in range(4) if random.random() < 0.8}
    hyperparameters = {f"h{n}": [0.5, int(random.integers(0, 3))] for n in range(2)}
    return json.loads(
        json.dumps(
            {
                "seed": 3,
                "loss": f"l{random.integers(0, 2)}",
                "hyperparameters": hyperparameters if random.random() < 0.7 else {},
                "training": training | {"linear_init": {"epochs": 2} if "t1" in training else None},
            },
            default=int,
        )
    )


@pytest.mark.parametrize("seed", range(20))
def test_what_is_in_short_is_all_there(seed):
    random = np.random.default_rng(seed)
    places = product("ab", "pq", "xyz")
    runs = {address: random_settings(random) for address in places if random.random() < 0.8}
    short = json.loads(json.dumps(shorten(runs)))
    for address, settings in runs.items():
        whole = {
            "loss": settings["loss"],
            **{f"hyperparameters.{name}": v for name, v in settings["hyperparameters"].items()},
            **{
                f"training.{name}": v
                for name, v in settings["training"].items()
                if name != "linear_init"
            },
        }
        if settings["training"]["linear_init"]:
            whole["training.linear_init.epochs"] = 2
        assert restore(short, *address) == whole
        check_record({"settings": settings}, short, FOLDER, address)


def test_what_all_share_is_said_once():
    settings = {"training": {"optimizer": "a word that is said once"}, "hyperparameters": {"q": 1}}
    runs = {("d", "p", f"m{number}"): settings for number in range(50)}
    assert json.dumps(shorten(runs)).count("said once") == 1


def settings(**training) -> dict:
    return {"dataset": "d0", "method": "m0", "loss": "gr", "training": {"epochs": 8, **training}}


@pytest.mark.parametrize(
    ("recorded", "configured", "words"),
    [
        ({}, {"epochs": 9}, "training.epochs = 8, but the configuration says 9: "),
        (
            {},
            {"precision": "bf16"},
            'training.precision = nothing, but the configuration says "bf16"',
        ),
        (
            {"precision": "bf16"},
            {},
            'training.precision = "bf16", but the configuration says nothing',
        ),
        (
            {"linear_init": {"epochs": 1}},
            {"linear_init": None},
            "training.linear_init.epochs = 1, but",
        ),
    ],
)
def test_difference_names_run_key_and_both_values(recorded, configured, words):
    short = shorten({("d0", "p0", "m0"): settings(**configured)})
    with pytest.raises(UserError) as told:
        check_record({"settings": settings(**recorded)}, short, FOLDER, ("d0", "p0", "m0"))
    assert str(told.value).startswith(f"{FOLDER} was made with {words}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("recorded", "configured"),
    [({"rate": 1}, {"rate": 1.0}), ({}, {"early_stop_gap": None}), ({"seed": 1}, {"seed": 1})],
)
def test_same_settings_in_other_words_are_the_same(recorded, configured):
    short = shorten({("d0", "p0", "m0"): settings(**configured)})
    check_record({"settings": settings(**recorded)}, short, FOLDER, ("d0", "p0", "m0"))
