import copy

import pytest
import yaml
from spml import losses
from spml.configuration import (
    ConfigurationError,
    check,
    compact_json,
    exhibit_runs,
    loss_hyperparameters,
    observation_of,
    resolve_method,
    run_settings,
    training_settings,
)

FILES = [
    f"config/{name}.yaml" for name in ("datasets", "protocols", "methods", "exhibits", "config")
]


def merged() -> dict:
    result: dict = {}
    for path in FILES:
        with open(path) as file:
            result |= yaml.safe_load(file)
    return result


@pytest.fixture
def config():
    return merged()


def verdict(config: dict) -> str:
    try:
        check(config, files=FILES, schemas="workflow/schemas", losses="workflow/spml/losses")
    except ConfigurationError as error:
        return str(error)
    return ""


def test_shipped_configuration_is_right(config):
    assert verdict(config) == ""


def test_every_shipped_method_builds_with_its_hyperparameters(config):
    for method in config["methods"]:
        resolved = resolve_method(config, method, "digits")
        losses.build(
            resolved["loss"],
            num_classes=10,
            num_examples=100,
            total_epochs=8,
            **resolved["hyperparameters"],
        )


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("select.methods", ["grr"], "config/config.yaml: select.methods[0] is 'grr'; allowed: "),
        ("select.methods", ["grr"], "(did you mean 'gr'?)"),
        ("select.datasets", ["digit"], "(did you mean 'digits'?)"),
        ("select.protocols", ["none"], "select.protocols[0] is 'none'; allowed: demo"),
        ("select.exhibits", ["main"], "select.exhibits[0] is 'main'; allowed: "),
        ("select.seeds", ["0"], "select.seeds[0] must be a whole number, not '0'"),
        ("select.seeds", [0, 0], "select.seeds names something twice"),
        ("select.seeds", [], "select.seeds must be a list of at least 1, not []"),
        ("select.sedes", [0], "select.sedes is not a key that exists here; allowed: datasets, "),
        ("selected", {}, "selected is not a key that exists here; allowed: "),
        ("device", "gpu", "config/config.yaml: device is 'gpu'; allowed: auto, cpu, cuda"),
        ("protocols.demo.training.epochs", 0, "config/protocols.yaml: protocols.demo.training.epochs must be at least 1, not 0"),
        ("protocols.demo.training.epochs", "ten", "must be a whole number, not 'ten'"),
        ("protocols.demo.training.optimizer", "lion", "is 'lion'; allowed: adam, sgd"),
        ("protocols.demo.training.early_stop_gap", "no", "must be a number or null, not 'no'"),
        ("protocols.demo.observation", "two", "is 'two'; allowed: full, "),
        ("observations.full.positives", "some", "observations.full.positives"),
        ("methods.gr.loss", "gr2", "config/methods.yaml: methods.gr.loss is 'gr2'; allowed: "),
        ("methods.gr.hyperparameters.q4", 1, "methods.gr.hyperparameters.q4 is not a hyperparameter of gr; allowed: alpha, beta, linear_init, q2, q3"),
        ("methods.gr.hyperparameters.q2", "x", "methods.gr.hyperparameters.q2 must be a number"),
        ("methods.wan.extends", "nan", "methods.wan.extends is 'nan'; allowed: "),
        ("methods.gr.extends", "gr_without_v", "goes round in a circle"),
        ("methods.wan.training", {"epoch": 3}, "methods.wan.training.epoch is not a key"),
        ("methods.wan.observation", "all", "methods.wan.observation is 'all'; allowed: "),
        ("methods.wan.datasets", {"mnist": {}}, "methods.wan.datasets.mnist is 'mnist'; allowed: coco, cub"),
        ("exhibits.gr_main_table.methods", ["xx"], "config/exhibits.yaml: exhibits.gr_main_table.methods[0] is 'xx'"),
        ("datasets.digits.compose.noise", -1, "datasets.digits.compose.noise must be at least 0"),
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_with_file_key_and_allowed_values(config, path, value, sentence):
    *parents, last = path.split(".")
    target = config
    for key in parents:
        target = target[key]
    target[last] = value
    text = verdict(config)
    assert sentence in text
    assert "\n" not in text


@pytest.mark.parametrize("path", ["select.seeds", "device", "protocols.demo.training.epochs"])
def test_missing_key_is_named(config, path):
    *parents, last = path.split(".")
    target = config
    for key in parents:
        target = target[key]
    del target[last]
    assert f"{path} is missing" in verdict(config)


def test_missing_hyperparameter_is_named_with_its_dataset(config):
    config["methods"]["epr"]["datasets"] = {}
    assert (
        "methods.epr.hyperparameters.expected_positives is missing for dataset digits"
        in verdict(config)
    )


def test_mistake_in_an_overlay_names_the_overlay(config, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("select: {methods: [grr]}")
    config["select"]["methods"] = ["grr"]
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: select\.methods\[0\]"):
        check(
            config,
            files=[*FILES, overlay],
            schemas="workflow/schemas",
            losses="workflow/spml/losses",
        )


def test_child_starts_from_its_parent_and_changes_only_what_it_says(config):
    parent = resolve_method(config, "gr", "digits")
    child = resolve_method(config, "gr_l2_log", "digits")
    assert child["hyperparameters"] == {**parent["hyperparameters"], "q2": 0}
    assert child["loss"] == "gr"


def test_dataset_override_applies_to_that_dataset_only(config):
    config["methods"]["gr"]["datasets"] = {
        "digits": {"hyperparameters": {"q3": 1.5}, "training": {"epochs": 3}}
    }
    assert resolve_method(config, "gr", "digits")["hyperparameters"]["q3"] == 1.5
    assert resolve_method(config, "gr", None)["hyperparameters"]["q3"] == 1
    assert training_settings(config, "digits", "demo", "gr")["epochs"] == 3
    assert training_settings(config, "digits", "demo", "an")["epochs"] == 8


def test_resolution_does_not_change_the_configuration(config):
    before = copy.deepcopy(config)
    run_settings(config, "digits", "demo", "gr_l2_log", 0)
    assert config == before


def test_observation_is_the_method_s_own_or_the_protocol_s(config):
    assert observation_of(config, "demo", "bce") == "full"
    assert observation_of(config, "demo", "an") == "single_positive"


def test_runs_of_an_exhibit_are_its_methods_on_all_that_is_selected(config):
    config["select"]["seeds"] = [0, 4]
    runs = [tuple(run) for run in exhibit_runs(config, "gr_separation")]
    assert runs == [("digits", "demo", m, s) for m in ("an", "gr") for s in (0, 4)]
    assert len(exhibit_runs(config, "gr_main_table")) == 2 * len(config["select"]["methods"])


def test_hyperparameter_names_read_from_the_files_are_the_constructors_own():
    import inspect

    read = loss_hyperparameters("workflow/spml/losses")
    assert sorted(read) == losses.names()
    for name, hyperparameters in read.items():
        parameters = inspect.signature(losses.loss_class(name).__init__).parameters
        own = {
            key: value.default is inspect.Parameter.empty
            for key, value in parameters.items()
            if key not in ("self", "num_classes", "num_examples", "total_epochs")
        }
        assert hyperparameters == own, name


def test_swapping_two_values_changes_the_parameter_text():
    assert compact_json({"a": 1, "b": 2}) != compact_json({"a": 2, "b": 1})
    assert compact_json({"b": 2, "a": 1}) == compact_json({"a": 1, "b": 2})


def test_overlays_select_what_exists():
    for overlay in ("all_methods", "search_digits"):
        config = merged()
        with open(f"config/{overlay}.yaml") as file:
            changes = yaml.safe_load(file)
        config["methods"] |= changes.get("methods", {})
        config["select"] |= changes["select"]
        assert verdict(config) == "", overlay


def test_all_methods_means_all_methods(config):
    with open("config/all_methods.yaml") as file:
        assert yaml.safe_load(file)["select"]["methods"] == list(config["methods"])
