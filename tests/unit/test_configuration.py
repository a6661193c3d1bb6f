import copy
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from snakemake.cli import parse_config
from snakemake.utils import update_config
from spml import losses
from spml.planning import preflight
from spml.planning.checks import ConfigurationError, check
from spml.planning.configuration import (
    compact_json,
    observation_of,
    resolve_method,
    run_settings,
    training_settings,
)
from spml.planning.files import named_files, read, refuse_repeated
from spml.planning.grids import expand
from spml.planning.shown import exhibit_pairs, exhibit_runs, reported_runs, shown_exhibits
from spml.planning.stage_settings import report_settings
from spml.plumbing.errors import UserError

FILES = [
    f"config/{name}.yaml"
    for name in ("datasets", "protocols", "methods", "sweeps", "exhibits", "config")
]
SCHEMAS = Path("workflow/schemas")
DOCUMENTS = {path: read(path) for path in FILES}


def merged() -> dict:
    result: dict = {}
    for document in DOCUMENTS.values():
        update_config(result, copy.deepcopy(document))
    return result


@pytest.fixture
def config():
    return merged()


def verdict(config: dict) -> str:
    try:
        check(
            config, documents=DOCUMENTS, schemas="workflow/schemas", losses="workflow/spml/losses"
        )
    except ConfigurationError as error:
        return str(error)
    return ""


def test_shipped_configuration_is_right(config):
    assert verdict(config) == ""


def test_files_that_name_a_schema_follow_it_alone():
    """An editor checks each file by itself, as it stands; one that comes after others names none."""
    schemas = {path.name: yaml.safe_load(path.read_text()) for path in SCHEMAS.glob("*.yaml")}
    resources = ((name, Resource.from_contents(schema)) for name, schema in schemas.items())
    registry = Registry().with_resources(resources)
    named = {}
    for path in sorted(Path("config").glob("*.yaml")):
        first, *_ = path.read_text().splitlines()
        if found := re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first):
            named[str(path)] = (path.parent / found[1]).resolve()
    assert sorted(named) == sorted(FILES)
    for path, schema in named.items():
        validator = Draft202012Validator(schemas[schema.name], registry=registry)
        assert [error.message for error in validator.iter_errors(read(path))] == [], path


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
        ("select.methods", ["grr"], "config/config.yaml: select.methods[0] is 'grr' (did you mean 'gr'?); allowed: an, "),
        ("select.datasets", ["digit"], "is 'digit' (did you mean 'digits'?); allowed: "),
        ("select.protocols", ["none"], "select.protocols[0] is 'none'; allowed: demo"),
        ("select.exhibits", ["main"], "select.exhibits[0] is 'main'; allowed: "),
        ("select.seeds", ["zero"], "select.seeds[0] must be a whole number, not 'zero'"),
        ("select.seeds", [0, 0], "select.seeds names something twice"),
        ("select.seeds", [], "select.seeds must be a list of at least 1, not []"),
        ("select.sedes", [0], "select.sedes is not a key that exists here (did you mean 'seeds'?); allowed: datasets, "),
        ("selected", {}, "selected is not a key that exists here (did you mean 'select'?); allowed: "),
        ("device", "gpu", "config/config.yaml: device is 'gpu' (did you mean 'cpu'?); allowed: auto, cpu, cuda"),
        ("protocols.demo.training.epochs", 0, "config/protocols.yaml: protocols.demo.training.epochs must be at least 1, not 0"),
        ("protocols.demo.training.epochs", "ten", "must be a whole number, not 'ten'"),
        ("protocols.demo.training.optimizer", "lion", "is 'lion'; allowed: adam, sgd"),
        ("protocols.demo.training.early_stop_gap", "no", "must be a number or null, not 'no'"),
        ("protocols.demo.observation", "two", "is 'two'; allowed: full, "),
        ("observations.full.positives", "some", "observations.full.positives"),
        ("methods.gr.loss", "gr2", "config/methods.yaml: methods.gr.loss is 'gr2' (did you mean 'gr'?); allowed: "),
        ("methods.gr.hyperparameters.q4", 1, "methods.gr.hyperparameters.q4 is not a hyperparameter of gr; allowed: alpha, beta, linear_init, q2, q3"),
        ("methods.gr.hyperparameters.q2", "x", "methods.gr.hyperparameters.q2 must be a number"),
        ("methods.wan.extends", "nan", "methods.wan.extends is 'nan' (did you mean 'an'?); allowed: "),
        ("methods.p_asl_ignore.hyperparameters.mode", "ignored", "hyperparameters.mode is 'ignored' (did you mean 'ignore'?); allowed: ignore, ignore_normalize"),
        ("methods.gr.extends", "gr_without_v", "goes round in a circle"),
        ("methods.wan.training", {"epoch": 3}, "methods.wan.training.epoch is not a key"),
        ("methods.wan.observation", "all", "methods.wan.observation is 'all'; allowed: "),
        ("methods.wan.datasets", {"mnist": {}}, "methods.wan.datasets.mnist is 'mnist'; allowed: coco, cub"),
        ("exhibits.gr_main_table.methods", ["xx"], "config/exhibits.yaml: exhibits.gr_main_table.methods[0] is 'xx'"),
        ("exhibits.gr_main_table.protocols", ["dmo"], "exhibits.gr_main_table.protocols[0] is 'dmo' (did you mean 'demo'?); allowed: boostlu, cole, demo"),
        ("exhibits.gr_main_table.methods_under", {"dmo": ["an"]}, "exhibits.gr_main_table.methods_under.dmo is 'dmo' (did you mean 'demo'?); allowed: boostlu, cole, demo"),
        ("exhibits.gr_main_table.methods_under", {"demo": ["xx"]}, "exhibits.gr_main_table.methods_under.demo[0] is 'xx'"),
        ("exhibits.ll_partial_labels.methods_under", {"demo": ["an"]}, "exhibits.ll_partial_labels.methods_under is for gr_main_table alone; leave it out"),
        ("exhibits.extra_single_positive_leaderboard.entries.grr", {}, "entries.grr is 'grr' (did you mean 'gr'?); allowed: aevlp, an"),
        ("exhibits.ll_memorisation_table.resamples", 200, "config/exhibits.yaml: exhibits.ll_memorisation_table.reference is missing; resamples needs it"),
        ("exhibits.extra_gap_closed.full", "bec", "exhibits.extra_gap_closed.full is 'bec' (did you mean 'bce'?)"),
        ("exhibits.extra_gap_closed.families.gr.methods", ["gx"], "exhibits.extra_gap_closed.families.gr.methods[0] is 'gx'"),
        ("exhibits.gr_gradients.losses", [], "exhibits.gr_gradients.losses must be a list of at least 1, not []"),
        ("exhibits.ll_openimages.published_only.imcl.why", "x", "published_only.imcl.why is not a key that exists here; allowed: reason, title"),
        ("methods.ll_r.protocols", {"dmo": {}}, "config/methods.yaml: methods.ll_r.protocols.dmo is 'dmo' (did you mean 'demo'?); allowed: boostlu, cole, demo"),
        ("methods.ll_r.protocols", {"gr": {"loss": "an"}}, "methods.ll_r.protocols.gr.loss is not a key that exists here; allowed: datasets, hyperparameters, observation, training"),
        ("methods.ll_r.protocols", {"gr": {"datasets": {"cup": {}}}}, "methods.ll_r.protocols.gr.datasets.cup is 'cup' (did you mean 'cub'?); allowed: coco, cub"),
        ("methods.ll_r.protocols", {"demo": {"hyperparameters": {"delta": 1}}}, "methods.ll_r.hyperparameters.delta is not a hyperparameter of ll_r"),
        ("protocols.demo.only", ["voc"], "select.protocols has none that is for a selected dataset (digits); allowed: linear"),
        ("select.datasets", ["voc"], "select.protocols has none that is for a selected dataset (voc); allowed: boostlu, cole, em, gr, linear, ll, ll_linear_init"),
        ("protocols.demo.datasets", {"digts": {"epochs": 3}}, "protocols.demo.datasets.digts is 'digts' (did you mean 'digits'?); allowed: coco, cub"),
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


def test_all_allowed_names_are_told_unless_one_of_many_was_meant(config):
    config["select"]["methods"] = ["zzzzzz"]
    every = verdict(config).partition("allowed: ")[2].split(", ")
    assert set(config["methods"]) <= set(every)
    config["select"]["methods"] = ["grr"]
    some = f"allowed: {', '.join(every[:8])} and {len(every) - 8} others"
    assert verdict(config).endswith(some)


@pytest.mark.parametrize("path", ["select.seeds", "device", "protocols.demo.training.epochs"])
def test_missing_key_is_named(config, path):
    *parents, last = path.split(".")
    target = config
    for key in parents:
        target = target[key]
    del target[last]
    assert f"{path} is missing" in verdict(config)


@pytest.mark.parametrize(
    ("observation", "sentence"),
    [
        ({"known": 0.1, "seed": 0}, ""),
        ({"bias": "size", "seed": 0, "fraction": 0.5}, ""),
        ({"known": 0, "seed": 0}, "observations.mine.known must be above 0, not 0"),
        (
            {"bias": "colour", "seed": 0},
            "observations.mine.bias is 'colour'; allowed: location, si",
        ),
        (
            {"known": 0.1, "positives": 1, "negatives": 0, "seed": 0},
            "observations.mine.positives cannot stand beside known, bias or given; leave",
        ),
        ({"known": 0.1, "bias": "size", "seed": 0}, "observations.mine.bias cannot stand beside"),
        ({"seed": 0, "positives": 1}, "observations.mine.negatives is missing"),
        ({"given": True, "fraction": 0.5}, ""),
        (
            {"given": True, "seed": 0},
            "observations.mine.seed cannot stand beside known, bias or gi",
        ),
        (
            {"given": False},
            "observations.mine.given must be true, not False; or leave it",
        ),
        ({"known": 0.5}, "observations.mine.seed is missing"),
    ],
)
def test_observation_says_in_one_way_what_is_shown(config, observation, sentence):
    config["observations"]["mine"] = observation
    assert sentence in verdict(config)
    assert bool(verdict(config)) == bool(sentence)


def test_braces_in_a_title_are_refused_since_snakemake_reads_them(config):
    config["methods"]["gr"]["title"] = "GR $q_{3}$"
    assert "methods.gr.title is 'GR $q_{3}$'; it may have no braces" in verdict(config)


def test_images_have_a_mean_for_each_channel(config):
    config["datasets"]["digits"]["images"]["deviation"] = [0.2, 0.2]
    assert "datasets.digits.images needs 1 values of mean and of deviation" in verdict(config)


def test_missing_hyperparameter_is_named_with_its_dataset(config):
    config["methods"]["epr"]["datasets"] = {}
    assert (
        "methods.epr.hyperparameters.expected_positives is missing for dataset digits"
        in verdict(config)
    )


def test_missing_hyperparameter_of_a_loss_that_is_only_drawn_is_named(config):
    config["methods"]["epr"]["datasets"] = {}
    config["select"]["methods"] = ["an", "gr"]
    config["select"]["exhibits"] = ["gr_main_table", "gr_loss_mapping", "gr_gradients"]
    assert verdict(config) == ""
    config["exhibits"]["gr_gradients"]["losses"] = ["an", "epr"]
    assert verdict(config) == (
        "config/methods.yaml: methods.epr.hyperparameters.expected_positives is missing for "
        "dataset digits, on which gr_gradients shows epr"
    )


def test_mistake_in_an_overlay_names_the_overlay(config, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("select: {methods: [grr]}")
    with pytest.raises(UserError, match=r"mine\.yaml: select\.methods\[0\]"):
        preflight.check([*FILES, overlay])


def test_mistake_on_the_command_line_is_not_blamed_on_a_file():
    for given, sentence in (
        (
            {"device": "gpu"},
            "the command line (--config): device is 'gpu' (did you mean 'cpu'?); allowed: auto, ",
        ),
        ({"select": {"seeds": ["x"]}}, "the command line (--config): select.seeds[0] must be a "),
        ({"devise": "cpu"}, "the command line (--config): devise is not a key that exists here"),
    ):
        with pytest.raises(UserError, match=re.escape(sentence)):
            preflight.check(FILES, command_line=given)


def test_planning_elsewhere_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="go to the project's folder first"):
        named_files()


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"exhibits": {"gr_mine": {"title": "Mine", "methods": []}}, "select": {"exhibits": ["gr_mine"]}}, "select.exhibits has gr_mine, which no rule makes"),
        ({"exhibits": {"extra_search": None}}, "exhibits.extra_search is missing"),
        ({"exhibits": {"extra_bias": {"title": "B", "methods": [], "published_from": ["gr_bias"]}}}, "exhibits.extra_bias.published_from has gr_bias, and there is no config/published/gr_bias.csv; allowed: extra_known"),
({"datasets": {"digits": {"title": "D", "images": {"mean": [0], "deviation": [1], "flip": True}, "backbone": {"architecture": "digit_network", "weights": "w"}}}}, "datasets.digits.compose is missing"),
    ],
)  # fmt: skip
def test_rules_find_what_they_name(tmp_path, document, sentence):
    """Defined by none of the files: None takes a key of one level out of them."""
    changed = merged()
    for section, entries in document.items():
        for key, value in entries.items():
            if value is None:
                del changed[section][key]
            else:
                changed[section][key] = value
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(changed))
    with pytest.raises(UserError, match=re.escape(sentence)):
        preflight.check([tmp_path / "all.yaml"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"select: {methods: [an\n", "mine.yaml, line 2, is not YAML: "),
        (b"a:\n\t- b\n", "mine.yaml, line 2, is not YAML: "),
        (b"? [a, b]\n: 1\n", "mine.yaml, line 1, is not YAML: "),
        (b"a: 2024-13-45\n", "mine.yaml is not YAML: month must be in 1..12"),
        (b"a: !!python/object/apply:os.getpid []\n", "mine.yaml, line 1, is not YAML: "),
        (b"\xff\xfe\x00", "mine.yaml is not text in UTF-8: "),
        (b"", "mine.yaml must be a map of keys"),
        (b"- a\n", "mine.yaml must be a map of keys"),
        (None, "mine.yaml cannot be read: No such file or directory"),
        (
            b"select: {seeds: [0]}\nmethods: {}\nselect: {methods: [an]}\n",
            "mine.yaml, line 3: select stands in line 1 too, which would be lost; ",
        ),
        (
            b"methods:\n  gr:\n    title: A\n    title: B\n",
            "mine.yaml, line 4: methods.gr.title stands in line 3 too",
        ),
        (b"a: [{}, {b: {c: 1, c: 2}}]\n", "mine.yaml, line 1: a[1].b.c stands in line 1 too"),
        (
            b'{"select": {"seeds": [0]},\n "select": {"seeds": [1]}}',
            "mine.yaml, line 2: select stands in line 1 too",
        ),
    ],
)
def test_file_that_is_no_configuration_is_named(tmp_path, content, sentence):
    overlay = tmp_path / "mine.yaml"
    if content is not None:
        overlay.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(sentence)):
        preflight.check([*FILES, overlay])


def test_map_that_several_aliases_name_is_no_key_twice(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "methods:\n"
        "  an_a: &a { title: A, extends: an, training: &t { epochs: 3 } }\n"
        "  an_b: { <<: *a, title: B, training: { <<: *t, batch_size: 8 } }\n"
        "  an_c: { <<: *a, title: C }\n"
    )
    methods = preflight.check([*FILES, overlay])["methods"]
    assert [methods[name]["title"] for name in ("an_a", "an_b", "an_c")] == ["A", "B", "C"]
    assert methods["an_b"]["training"] == {"epochs": 3, "batch_size": 8}


OVERLAY = """
protocols:
  demo:
    training: {learning_rate: %s, early_stop_gap: null}
    datasets: {digits: {weight_decay: %s}}
methods:
  gr: {hyperparameters: {q2: %s, beta: [0, %s, -2, -2]}}
  an_ls: {datasets: {digits: {hyperparameters: {smoothing: %s}}}}
exhibits: {gr_main_table: {resamples: %s}}
"""


@pytest.mark.parametrize(
    ("written", "number"),
    [("1e-5", 1e-5), ("1.0e-5", 1e-5), ("1.0E-05", 1e-5), ("1e2", 100), ("2.5e3", 2500), ("5E+2", 500)],
)  # fmt: skip
def test_number_with_an_exponent_is_a_number_wherever_one_is_asked_for(tmp_path, written, number):
    overlay = tmp_path / "mine.yaml"
    whole = written if number >= 1 else "1e3"
    overlay.write_text(OVERLAY % (*([written] * 5), whole))
    config = preflight.check([*FILES, overlay])
    settings = run_settings(config, "digits", "demo", "gr", 0)
    assert settings["training"]["learning_rate"] == number
    assert settings["training"]["weight_decay"] == number
    assert settings["hyperparameters"]["q2"] == number
    assert settings["hyperparameters"]["beta"] == [0, number, -2, -2]
    an_ls = resolve_method(config, "an_ls", "digits")
    assert an_ls["hyperparameters"] == {"smoothing": number}
    resamples = config["exhibits"]["gr_main_table"]["resamples"]
    assert (resamples, type(resamples)) == (number if number >= 1 else 1000, int)


def test_what_the_command_line_nests_is_read_as_in_a_file():
    """Snakemake takes all of it for text."""
    given = parse_config(
        [
            "protocols={demo: {training: {learning_rate: 1e-5, epochs: 3, compile: true}}}",
            "methods={gr: {hyperparameters: {beta: [0, 1.5, -2, -2], linear_init: 2}}}",
            "select={seeds: [0, 7]}",
            "machine={workers: null}",
        ]
    )
    assert given["select"] == {"seeds": ["0", "7"]}
    config = preflight.check(FILES, command_line=given)
    training = run_settings(config, "digits", "demo", "gr", 0)["training"]
    assert [training[key] for key in ("learning_rate", "epochs", "compile")] == [1e-5, 3, True]
    assert config["methods"]["gr"]["hyperparameters"]["beta"] == [0, 1.5, -2, -2]
    assert config["methods"]["gr"]["hyperparameters"]["linear_init"] == 2
    assert config["select"]["seeds"] == [0, 7]
    assert config["machine"]["workers"] is None


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("protocols: {demo: {training: {learning_rate: 1e-5x}}}", "learning_rate must be a number, not '1e-5x'"),
        ("protocols: {demo: {training: {learning_rate: 1e999}}}", "learning_rate must be a number, not '1e999'"),
        ("protocols: {demo: {training: {learning_rate: -1e-5}}}", "learning_rate must be above 0, not -1e-05"),
        ("protocols: {demo: {training: {epochs: 1e-5}}}", "epochs must be a whole number, not '1e-5'"),
        ("methods: {gr: {title: 1e-5, hyperparameters: {q2: 'true'}}, an: {title: 3}}", "methods.an.title must be a text, not 3"),
    ],
)  # fmt: skip
def test_text_that_is_no_number_is_still_refused(tmp_path, document, sentence):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(document)
    with pytest.raises(UserError, match=re.escape(sentence)):
        preflight.check([*FILES, overlay])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["-n", "--configfile", "a.yaml", "--configfile", "b.yaml"], "--configfile"),
        (["--configfiles", "a.yaml", "--cores", "1", "--configfile=b.yaml"], "--configfile"),
        (["--config", "device=cpu", "-C", "threads=2"], "--config"),
        (["--configfile", "a.yaml", "b.yaml", "--config", "a=1", "b=2", "--", "--configfile"], None),
        (["--configfile", "a.yaml", "--config", "a=1"], None),
        ([], None),
    ],
)  # fmt: skip
def test_option_of_which_the_first_would_be_lost_is_refused(words, option):
    if option is None:
        refuse_repeated(words)
        return
    with pytest.raises(
        UserError, match=f"^{option} is given more than once .* in order: {option} "
    ):
        refuse_repeated(words)


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


def test_swapping_two_values_changes_the_parameter_text():
    assert compact_json({"a": 1, "b": 2}) != compact_json({"a": 2, "b": 1})
    assert compact_json({"b": 2, "a": 1}) == compact_json({"a": 1, "b": 2})


def overlaid(*overlays: str) -> dict:
    """The configuration with these files merged into it as Snakemake does."""
    config = merged()
    for overlay in overlays:
        update_config(config, read(f"config/{overlay}.yaml"))
    return config


@pytest.mark.parametrize(
    "overlays",
    [
        *[("all_methods",), ("search_digits",), ("search_later_methods",)],
        *[("linear",), ("linear_features",), ("linear_features", "linear_chosen")],
        *[("paper",), ("paper", "paper_on_digits")],
    ],
)
def test_overlays_select_what_exists(overlays):
    assert verdict(overlaid(*overlays)) == ""


def test_all_methods_means_all_methods():
    selected, defined = (read(f"config/{name}.yaml") for name in ("all_methods", "methods"))
    assert selected["select"]["methods"] == list(defined["methods"])


# --- the papers' grid -----------------------------------------------------------------------------

FOUR = ("voc", "coco", "nus", "cub")


@pytest.mark.parametrize(
    ("protocol", "method", "key", "values"),
    [
        # The first author's values for each dataset, and the re-runs that tables like GR's print.
        ("ll", "ll_r", "delta_rel", (0.2, 0.4, 0.4, 0.4)),
        ("ll", "ll_ct", "delta_rel", (0.2, 0.2, 0.2, 0.4)),
        ("ll", "ll_cp", "delta_rel", (0.1, 0.2, 0.2, 0.2)),
        ("ll_linear_init", "ll_r", "delta_rel", (0.2, 0.4, 0.4, 0.4)),
        ("gr", "ll_r", "delta_rel", (0.5,) * 4),
        ("em", "ll_ct", "delta_rel", (0.2,) * 4),
        # BoostLU's config.py: one value a method.
        ("boostlu", "ll_r", "delta_rel", (0.5,) * 4),
        ("boostlu", "ll_ct_boostlu", "delta_rel", (0.2,) * 4),
        ("boostlu", "ll_cp", "delta_rel", (0.1,) * 4),
        # LL-Cp as released has LL-Cp's values, whichever loss runs.
        ("ll", "ll_cp_command_line", "delta_rel", (0.1, 0.2, 0.2, 0.2)),
        ("ll", "ll_cp_strict", "delta_rel", (0.1, 0.2, 0.2, 0.2)),
        ("gr", "ll_cp_boostlu", "delta_rel", (0.1,) * 4),
        ("gr", "em", "alpha", (0.2, 0.1, 0.1, 0.01)),
        ("em", "em_apl", "alpha", (0.2, 0.1, 0.1, 0.01)),
        ("em", "em_apl", "beta", (0.02, 0.9, 0.2, 0.4)),
        ("em", "em_apl", "warmup_epochs", (5, 5, 4, 3)),
        ("ll", "epr", "expected_positives", (1.5, 2.9, 1.9, 31.4)),
        ("gr", "role_li", "expected_positives", (1.5, 2.9, 1.9, 31.4)),
        ("gr", "gr", "q3", (1, 1, 1, 1.5)),
        ("gr", "gr", "beta", ([0, 2, -2, -2], *[[0, 10, -2, -8]] * 3)),
        ("gr", "gr", "alpha", ([0.5, 2, 0.8, 0.5],) * 4),
        # AEVLP's configuration files, and the values of the other codes.
        ("gr", "gpr", "beta", ([0, 2, -2, -2], *[[0, 10, -2, -8]] * 3)),
        ("gr", "gpr", "q3", (1, 1, 1, 1.5)),
        ("gr", "gpr", "regularisation", (0.05, 0.001, 0.001, 0.01)),
        ("gr", "gpr", "expected_positives", (1.5, 2.9, 1.9, 31.4)),
        ("gr", "vpu", "gamma", (0.85, 0.55, 0.55, 0.55)),
        ("gr", "vpu", "alpha", (2, 1, 1, 1)),
        ("gr", "p_asl", "gamma_unannotated", (4,) * 4),
        ("gr", "two_way", "temperature_pos", (4,) * 4),
    ],
)
def test_hyperparameters_are_those_of_the_sources(config, protocol, method, key, values):
    for dataset, value in zip(FOUR, values, strict=True):
        settings = run_settings(config, dataset, protocol, method, 0)
        assert settings["hyperparameters"][key] == value, dataset


@pytest.mark.parametrize(
    ("protocol", "key", "values"),
    [
        ("gr", "epochs", (8, 8, 10, 10)),
        ("gr", "batch_size", (8, 16, 16, 8)),
        ("gr", "learning_rate", (1e-5,) * 4),
        ("gr", "early_stop_gap", (2,) * 4),
        ("gr", "head_learning_rate_multiplier", (10,) * 4),
        ("ll", "epochs", (10,) * 4),
        ("ll", "batch_size", (16,) * 4),
        ("ll", "optimizer", ("sgd", "adam", "adam", "adam")),
        ("ll", "learning_rate", (5e-3, 1e-5, 1e-5, 7.5e-5)),
        ("ll", "weight_decay", (1e-3, 0, 0, 0)),
        ("ll", "early_stop_gap", (3,) * 4),
        ("ll_linear_init", "learning_rate", (5e-3, 1e-5, 1e-5, 7.5e-5)),
        ("em", "batch_size", (8, 16, 16, 8)),
        ("em", "learning_rate", (1e-5, 1e-5, 1e-5, 1e-4)),
        ("em", "head_learning_rate_multiplier", (1,) * 4),
        ("em", "early_stop_gap", (None,) * 4),
        ("boostlu", "epochs", (10,) * 4),
        ("boostlu", "batch_size", (16,) * 4),
        ("boostlu", "optimizer", ("adam",) * 4),
        ("boostlu", "learning_rate", (1e-5,) * 4),
        ("boostlu", "weight_decay", (0,) * 4),
        ("boostlu", "head_learning_rate_multiplier", (10,) * 4),
        ("boostlu", "early_stop_gap", (None,) * 4),
        ("boostlu", "linear_init", (None,) * 4),
        ("cole", "epochs", (10,) * 4),
    ],
)
def test_protocols_are_those_of_the_sources(config, protocol, key, values):
    for dataset, value in zip(FOUR, values, strict=True):
        assert training_settings(config, dataset, protocol, "an")[key] == value, dataset


def test_linear_initialisation_is_that_of_cole_for_an_ls_and_for_role(config):
    for method, rate, batches in (("ll_r", 1e-4, (8, 8, 16, 8)), ("role", 1e-3, (16, 16, 16, 8))):
        for dataset, batch_size in zip(FOUR, batches, strict=True):
            found = training_settings(config, dataset, "ll_linear_init", method)["linear_init"]
            assert found == {"epochs": 25, "batch_size": batch_size, "learning_rate": rate}
            assert training_settings(config, dataset, "ll", method)["linear_init"] is None


def test_large_loss_with_linear_initialisation_has_the_head_s_phase_of_that_protocol(config):
    for dataset in FOUR:
        own = training_settings(config, dataset, "ll", "ll_r_li")["linear_init"]
        protocol = training_settings(config, dataset, "ll_linear_init", "ll_r")["linear_init"]
        assert own == protocol
        assert own["learning_rate"] == 1e-4


def test_released_forms_of_permanent_correction(config):
    for method, loss, strict in (
        ("ll_cp", "ll_cp", {}),
        ("ll_cp_command_line", "ll_ct", {}),
        ("ll_cp_strict", "ll_cp", {"strict": True}),
    ):
        settings = run_settings(config, "voc", "ll", method, 0)
        assert settings["loss"] == loss
        assert settings["hyperparameters"] == {"delta_rel": 0.1, **strict}


def test_gpr_has_a_rule_of_its_own_to_stop(config):
    for protocol, method, expected in (("gr", "gpr", 2), ("gr", "gr", None), ("demo", "gpr", None)):
        settings = training_settings(config, "voc", protocol, method)
        assert settings.get("early_stop_patience") == expected


def test_large_loss_on_openimages_is_that_of_the_extract_of_the_paper(config):
    config = expand(config)
    training = training_settings(config, "openimages", "ll_openimages", "ll_r")
    assert (training["epochs"], training["learning_rate"]) == (20, 2e-5)
    for method in ("ll_r", "ll_ct", "ll_cp"):
        for name, value in ((method, 0.01), (f"{method}_delta_0p005", 0.005)):
            settings = run_settings(config, "openimages", "ll_openimages", name, 0)
            assert settings["hyperparameters"]["delta_rel"] == value


def test_protocol_may_change_the_observation_of_a_method(config):
    for protocol, expected in (
        ("gr", "single_positive_single_negative"),
        ("ll_openimages", "full"),
    ):
        assert observation_of(config, protocol, "p_asl_ignore") == expected


@pytest.mark.parametrize(
    ("method", "change", "sentence"),
    [
        ("p_asl_selective_prior", {"prior_from": "p_asl_ignored"}, "prior_from is 'p_asl_ignored' (did you mean 'p_asl_ignore'?); allowed: "),
        ("gr", {"prior_from": "p_asl_ignore"}, "methods.gr.prior_from is 'p_asl_ignore', but gr has no prior; leave it out"),
        ("p_asl_selective_prior", {"hyperparameters": {"prior": [0.5] * 10}}, "but hyperparameters has a prior too; leave one of them out"),
        ("p_asl_selective_prior", {"prior_from": "p_asl_selective_prior"}, "which takes its own from another; name one that has none"),
    ],
)  # fmt: skip
def test_prior_that_no_run_can_find_is_refused(config, method, change, sentence):
    config["methods"][method] |= change
    assert sentence in verdict(config)


def test_override_for_a_protocol_comes_after_that_for_a_dataset_and_before_a_child(config):
    config["methods"]["ll_r"]["protocols"]["gr"]["datasets"] = {
        "cub": {"hyperparameters": {"delta_rel": 0.7}}
    }
    config["methods"]["child"] = {
        "title": "Child", "extends": "ll_r", "hyperparameters": {"delta_rel": 0.9},
    }  # fmt: skip
    for method, dataset, protocol, expected in (
        ("ll_r", "voc", None, 0.2),
        ("ll_r", "voc", "gr", 0.5),
        ("ll_r", "cub", "gr", 0.7),
        ("ll_r", "cub", "ll", 0.4),
        ("child", "cub", "gr", 0.9),
    ):
        resolved = resolve_method(config, method, dataset, protocol)
        assert resolved["hyperparameters"]["delta_rel"] == expected


def test_exhibit_shows_those_of_its_protocols_that_are_selected(config):
    config["protocols"]["other"] = config["protocols"]["demo"]
    config["select"]["protocols"] = ["demo", "other"]
    assert exhibit_pairs(config, "gr_main_table") == [("digits", "demo"), ("digits", "other")]
    config["exhibits"]["gr_main_table"]["protocols"] = ["other", "gr"]
    assert exhibit_pairs(config, "gr_main_table") == [("digits", "other")]


@pytest.mark.parametrize(
    ("datasets", "offered"),
    [
        (["digits"], "demo, linear"),
        (["voc"], "boostlu, cole, em, gr, linear, ll, ll_linear_init"),
        (["openimages"], "linear, linear_openimages, ll_openimages"),
        (["digits", "openimages"], "demo, linear, linear_openimages, ll_openimages"),
    ],
)
def test_only_protocols_for_the_datasets_are_offered(config, datasets, offered):
    config["select"].update(datasets=datasets, protocols=["xyz"])
    assert verdict(config).endswith(f"select.protocols[0] is 'xyz'; allowed: {offered}")
    config["select"].update(datasets=["digits"], protocols=["demo"])
    config["exhibits"]["ll_examples"].update(datasets=datasets, protocols=["xyz"])
    assert verdict(config).endswith(f"ll_examples.protocols[0] is 'xyz'; allowed: {offered}")


def test_grid_has_the_runs_that_its_tables_need():
    config = expand(overlaid("paper"))
    runs = Counter((run.dataset, run.protocol) for run in reported_runs(config))
    # Under EM's protocol the 13 of Zhou et al., under BoostLU's AN and LL's with either head.
    # 17 methods of GR's table, 6 of later papers and 10 variants of its ablation, 9 of LL's table on
    # each dataset, 7 and 5 of later papers on OpenImages, with 3 seeds. GR's curves have 10 more points, on VOC. LL's figures: delta_rel
    # of 3 methods at 5 values and AN recorded, on VOC and COCO; 5 methods at 9 tenths of COCO's
    # images; and pictures of one run on each of the two.
    figures = {"voc": 16 * 3 + 1, "coco": (16 + 5 * 9) * 3 + 1}
    expected = {("openimages", "ll_openimages"): 12 * 3}
    for dataset in FOUR:
        gr = 23 + 10 + (10 if dataset == "voc" else 0)
        expected |= {
            (dataset, "gr"): gr * 3,
            (dataset, "em"): 13 * 3,
            (dataset, "boostlu"): 7 * 3,
            (dataset, "ll"): 9 * 3 + figures.get(dataset, 0),
            (dataset, "ll_linear_init"): 9 * 3,
        }
    assert runs == expected


def test_grid_under_a_protocol_stands_for_its_variants():
    written = merged()
    written["exhibits"]["gr_main_table"]["methods_under"] = {"demo": ["an", "ll_r_delta"]}
    assert verdict(written) == ""
    config = expand(written)
    methods = {run.method for run in exhibit_runs(config, "gr_main_table")}
    assert methods == {"an", *config["grids"]["ll_r_delta"]}
    assert len(methods) > 3
    # An exhibit that takes methods by `selected` alone is as it was.
    assert {run.method for run in exhibit_runs(config, "extra_cost")} == set(
        config["select"]["methods"]
    )


def test_exhibits_of_which_nothing_is_selected_are_left_out():
    written = overlaid("paper")
    written["select"]["datasets"] = ["voc"]
    assert verdict(written) == ""
    config = expand(written)
    left_out = set(config["select"]["exhibits"]) - set(shown_exhibits(config))
    assert left_out == {"ll_openimages", "ll_labelling_efficiency"}
    assert preflight.notice(config) == (
        "Left out, since nothing else that is selected is for them: protocols ll_openimages; "
        "exhibits ll_openimages, ll_labelling_efficiency"
    )
    assert list(report_settings(config)["configuration"]["protocols"]) == [
        "gr", "em", "boostlu", "ll", "ll_linear_init",
    ]  # fmt: skip
    assert "extra_protocols" in shown_exhibits(config)
    config["select"]["protocols"] = ["gr"]
    shown = shown_exhibits(config)
    assert not [name for name in shown if name.startswith("ll_")]
    assert "extra_protocols" not in shown  # of one protocol alone there is nothing to compare
    assert "extra_single_positive_leaderboard" in shown
    config["select"]["datasets"] = ["cub"]
    figures = {"gr_hyperparameter_curves", "gr_separation", "gr_false_negative_rate"}
    assert figures <= set(shown)
    assert not figures & set(shown_exhibits(config))


def test_a_dataset_without_a_protocol_is_said_to_be_left_out(config):
    assert preflight.notice(config) == ""
    config["select"]["datasets"] = ["digits", "voc"]
    assert preflight.notice(config).endswith(" is for them: datasets voc")


# --- recorded runs --------------------------------------------------------------------------------


@pytest.mark.parametrize("exhibit", ["ll_memorisation_table", "ll_examples"])
def test_exhibit_of_entries_needs_runs_that_record_them(config, exhibit):
    """Else the runs would be made first, and leave nothing to show."""
    config["exhibits"][exhibit]["methods"] = ["ll_r"]
    assert f"methods.ll_r.training.record_entries must be true, because {exhibit}" in verdict(
        config
    )
    config["select"]["exhibits"].remove(exhibit)
    assert verdict(config) == ""


def test_entries_may_be_recorded_in_some_places_only(config):
    config["methods"]["ll_r"].setdefault("datasets", {})["digits"] = {
        "training": {"record_entries": True}
    }
    config["exhibits"]["ll_examples"]["methods"] = ["ll_r"]
    assert verdict(config) == ""
