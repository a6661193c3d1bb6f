"""Grids: which methods they make, what lists of methods mean by them, and mistakes in them."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from spml.planning.checks import ConfigurationError, check
from spml.planning.configuration import resolve_method
from spml.planning.files import update
from spml.planning.grids import expand
from spml.planning.shown import exhibit_methods
from spml.planning.stage_settings import report_settings

FILES = [
    f"config/{name}.yaml"
    for name in ("datasets", "protocols", "methods", "sweeps", "exhibits", "config")
]
DOCUMENTS = {path: yaml.load(Path(path).read_text(), Loader=yaml.CSafeLoader) for path in FILES}
Q3_RATE = {"hyperparameters.q3": [0.5, 1], "training.learning_rate": [1e-4, 1e-5]}


def with_methods(**methods) -> dict:
    """The shipped configuration with further methods, as it is written."""
    config: dict = {}
    for document in (*DOCUMENTS.values(), {"methods": methods}):
        update(config, copy.deepcopy(document))
    return config


def test_grid_makes_a_method_of_each_combination():
    config = expand(with_methods(gr_grid={"extends": "gr", "grid": Q3_RATE}))
    made = {name: resolve_method(config, name, "digits") for name in config["grids"]["gr_grid"]}
    assert {name: method["title"] for name, method in made.items()} == {
        "gr_grid_q3_0p5_learning_rate_0p0001": "GR Loss, q3 0.5, learning_rate 0.0001",
        "gr_grid_q3_0p5_learning_rate_1em05": "GR Loss, q3 0.5, learning_rate 1e-05",
        "gr_grid_q3_1_learning_rate_0p0001": "GR Loss, q3 1, learning_rate 0.0001",
        "gr_grid_q3_1_learning_rate_1em05": "GR Loss, q3 1, learning_rate 1e-05",
    }
    own = [(m["hyperparameters"]["q3"], m["training"]["learning_rate"]) for m in made.values()]
    assert own == [(0.5, 1e-4), (0.5, 1e-5), (1, 1e-4), (1, 1e-5)]
    parent = resolve_method(config, "gr", "digits")
    for method in made.values():
        rest = {**method["hyperparameters"], "q3": parent["hyperparameters"]["q3"]}
        assert (method["loss"], rest) == ("gr", parent["hyperparameters"])


@pytest.mark.parametrize(
    ("values", "names", "titles"),
    [
        (
            {"hyperparameters.beta": [[0, 2, -2, -2], [0, 4.5, -2, -3]]},
            ["g_beta_0_2_m2_m2", "g_beta_0_4p5_m2_m3"],
            ["GR Loss, beta (0, 2, -2, -2)", "GR Loss, beta (0, 4.5, -2, -3)"],
        ),
        # Values that belong together, several at once.
        (
            {"hyperparameters": [{"q2": 0, "q3": 1.0}, {"q2": 1.0e9, "q3": -1}]},
            ["g_q2_0_q3_1", "g_q2_1000000000_q3_m1"],
            ["GR Loss, q2 0, q3 1", "GR Loss, q2 1000000000, q3 -1"],
        ),
        # Values that a name calls otherwise.
        (
            {"hyperparameters.alpha": {0.25: [0.5, 2, 0.8, 0.25], "wide": [0.5, 9, 0.8, 9]}},
            ["g_alpha_0p25", "g_alpha_wide"],
            ["GR Loss, alpha 0.25", "GR Loss, alpha wide"],
        ),
        (
            {"training.linear_init": [None], "training.deterministic": [True, False]},
            ["g_linear_init_null_deterministic_true", "g_linear_init_null_deterministic_false"],
            ["GR Loss, linear_init null, deterministic true", "GR Loss, linear_init null, deterministic false"],
        ),
    ],
)  # fmt: skip
def test_names_and_titles_are_made_from_the_values(values, names, titles):
    config = expand(with_methods(g={"extends": "gr", "grid": values}))
    assert list(config["grids"]["g"]) == names
    assert [config["methods"][name]["title"] for name in names] == titles
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)


def test_names_and_titles_can_be_given():
    values = {"observation": {10: "full_10_percent"}, "hyperparameters": [{"smoothing": 0.2}]}
    grid = {"extends": "an_ls", "name": "ls_{}_of_{}", "title": "{} %: {}", "grid": values}
    config = expand(with_methods(g=grid))
    assert list(config["grids"]["g"]) == ["ls_10_of_smoothing_0p2"]
    method = resolve_method(config, "ls_10_of_smoothing_0p2", "digits")
    assert method["title"] == "10 %: smoothing 0.2"
    assert (method["observation"], method["hyperparameters"]) == (
        "full_10_percent",
        {"smoothing": 0.2},
    )


def test_values_of_a_grid_come_before_every_override_of_a_dataset_or_protocol():
    override = {"hyperparameters": {"q2": 0.9, "q3": 0.9}}
    own = {
        "datasets": {"digits": override},
        "protocols": {"demo": {"datasets": {"digits": override}}},
    }
    config = expand(with_methods(g={"extends": "gr", "grid": {"hyperparameters.q3": [0.5]}, **own}))
    values = resolve_method(config, "g_q3_0p5", "digits", "demo")["hyperparameters"]
    assert (values["q2"], values["q3"]) == (0.9, 0.5)


def test_name_of_a_grid_stands_for_its_variants_in_lists_of_methods():
    written = with_methods(g={"extends": "gr", "grid": {"hyperparameters.q3": [0.5, 1.5]}})
    written["select"]["methods"] = ["g_q3_1p5", "an", "g"]
    written["exhibits"]["gr_separation"]["methods"] = ["an", "g"]
    config = expand(written)
    assert exhibit_methods(config, "gr_main_table") == ["g_q3_1p5", "an", "g_q3_0p5"]
    assert exhibit_methods(config, "gr_separation") == ["an", "g_q3_0p5", "g_q3_1p5"]
    assert written["select"]["methods"] == ["g_q3_1p5", "an", "g"]  # what was given is left alone
    told = report_settings(config)["runs"]["grids"]
    assert (told["g_q3_0p5"], told["gr_beta_4"]) == ("g", "gr_beta")
    assert set(told) <= set(report_settings(config)["runs"]["methods"])


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ({"grid": {"hyperparameters.q4": [1]}}, "grid.hyperparameters.q4 is not a hyperparameter of gr; allowed: alpha, "),
        ({"grid": {"hyperparameter.q3": [1]}}, "grid.hyperparameter is not a key that exists here (did you mean 'hyperparameters'?)"),
        ({"grid": {"q3": [1]}}, "grid.q3 is not a key that exists here"),
        ({"grid": {"training.epoch": [1]}}, "grid.training.epoch is not a key that exists here (did you mean 'epochs'?)"),
        ({"grid": {"training.epochs": [1, 0]}}, "grid.training.epochs must be at least 1, not 0"),
        ({"grid": {"hyperparameters.q3": ["x"]}}, "grid.hyperparameters.q3 must be a number"),
        ({"grid": {"hyperparameters.q3": []}}, "grid.hyperparameters.q3 must be a list of at least 1, not []"),
        ({"grid": {"hyperparameters.q3": 1}}, "grid.hyperparameters.q3 must be a list or a map, not 1"),
        ({"grid": {"hyperparameters.q3": [1, 1.0]}}, "grid.hyperparameters.q3 names something twice"),
        ({"grid": {}}, "grid must be a map of at least 1, not {}"),
        ({"grid": {3: [1]}}, "grid must be a text, not 3"),
        ({"grid": {"training.linear_init": [None], "training.linear_init.epochs": [1]}}, "grid sets training.linear_init twice"),
        ({"grid": {"hyperparameters": [{"q3": 1}], "hyperparameters.q3": [2]}}, "grid sets hyperparameters.q3 twice"),
        ({"grid": {"title": ["x"]}}, "grid.title is no setting that a grid can vary"),
        ({"grid": {"observation": ["ful"]}}, "grid.observation is 'ful' (did you mean 'full'?)"),
        ({"grid": {"hyperparameters.q3": [1]}, "name": "g"}, "name needs {} once for each key of the grid, not 'g'"),
        ({"grid": {"hyperparameters.q3": [1]}, "title": "{}{}"}, "title needs {} once for each key of the grid"),
        ({"grid": {"head": {"l2": "linear"}}, "name": "gr_{}_log"}, "grid makes gr_l2_log, a method that is there already"),
        ({"grid": {"hyperparameters.q3": [1]}, "name": "G{}"}, "name makes 'G1'; allowed are lower-case letters, digits and underscores"),
        ({"grid": {"hyperparameters.q3": [1]}, "hyperparameters": {"q4": 1}}, "hyperparameters.q4 is not a hyperparameter of gr"),
        ({"name": "g_{}", "title": "G"}, "grid is missing; name needs it"),
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_that_names_the_grid(method, sentence):
    mine = {"g": {"extends": "gr", **method}}
    with pytest.raises(ConfigurationError) as error:
        check(
            with_methods(**mine),
            documents={**DOCUMENTS, "mine.yaml": {"methods": mine}},
            schemas="workflow/schemas",
            losses="workflow/spml/losses",
        )
    assert str(error.value).startswith(f"mine.yaml: methods.g.{sentence}")
    assert "\n" not in str(error.value)


def test_grid_has_to_extend_a_method():
    mine = {"g": {"loss": "gr", "grid": {"hyperparameters.q3": [1]}}}
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: methods\.g\.extends is missing"):
        check(
            with_methods(**mine),
            documents={**DOCUMENTS, "mine.yaml": {"methods": mine}},
            schemas="workflow/schemas",
            losses="workflow/spml/losses",
        )
