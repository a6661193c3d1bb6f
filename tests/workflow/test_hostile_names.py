"""Names that a shell would act on, through the real rules."""

import json
import shlex
from dataclasses import replace

import pytest
from spml.planning import preflight
from spml.planning.files import named_files
from spml.plumbing.errors import UserError

FEW = ("--configfile", "tests/workflow/faults.yaml", "--")
METRICS = "results/runs/digits/demo/an/seed0/metrics.json"
HOSTILE = (
    " space",
    "it's",
    'a "b"',
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned;",
    "&|<>*?[x]",
    "-n",
)


def test_checkout_in_a_folder_with_a_hostile_name_runs(pristine, tmp_path):
    checkout = pristine.copy(tmp_path / 'it\'s a "$(touch pwned)"\n`touch pwned`; & *?')
    checkout = replace(checkout, configuration=(*FEW, METRICS))
    checkout.snakemake()
    assert (checkout.path / METRICS).is_file()
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", [*HOSTILE, "../out", "A", "two\nlines", "ä"])
@pytest.mark.parametrize(
    "text",
    [
        "datasets: {{{name}: {{title: T, images: {{mean: [0], deviation: [1], flip: true}}, backbone: {{architecture: a, weights: w}}}}}}",
        "methods: {{{name}: {{title: T, loss: an}}}}",
        "protocols: {{{name}: {{}}}}",
        "exhibits: {{{name}: {{title: T, methods: []}}}}",
        "observations: {{{name}: {{positives: 1, negatives: 0, seed: 0}}}}",
        "data: {{{name}: {{path: x}}}}",
        "datasets: {{digits: {{backbone: {{architecture: {name}}}}}}}",
    ],
)
def test_names_are_plain(tmp_path, name, text):
    (tmp_path / "hostile.yaml").write_text(text.format(name=json.dumps(name)), encoding="utf-8")
    with pytest.raises(UserError, match=r"\A[^\n]*lower-case letters[^\n]*\Z"):
        preflight.check([*named_files(), tmp_path / "hostile.yaml"])


@pytest.mark.parametrize(
    "title", ["", " x", "x ", "_x", "two\nlines", "end\n", "a\u2028b", "a\x85b"]
)
def test_titles_are_one_line_that_a_legend_shows(tmp_path, title):
    """matplotlib leaves out of a legend what begins with an underscore."""
    document = {"methods": {"mine": {"title": title, "loss": "an"}}}
    (tmp_path / "hostile.yaml").write_text(json.dumps(document))
    with pytest.raises(
        UserError, match=r"\A.*methods\.mine\.title .*a title is one line, [^\n]*\Z"
    ):
        preflight.check([*named_files(), tmp_path / "hostile.yaml"])


@pytest.mark.parametrize("title", ["$5 to $10", "x", "\u73ab\u7470", "[*", "**b** | `c`", "a b_c"])
def test_other_titles_are_free(tmp_path, title):
    document = {"methods": {"mine": {"title": title, "loss": "an"}}}
    (tmp_path / "hostile.yaml").write_text(json.dumps(document))
    preflight.check([*named_files(), tmp_path / "hostile.yaml"])


def test_paths_of_the_configuration_reach_no_shell(pristine, tmp_path):
    """What a user may set to any text stands quoted in each command."""
    evil = "x'; touch pwned; $(touch pwned) `touch pwned` \""
    document = {
        "data": {"voc": {"path": evil}},
        "datasets": {
            "voc": {
                "backbone": {"weights": f"data/{evil}"},
                "source": {"class_counts": evil, "image_address": evil},
            }
        },
        "select": {"datasets": ["voc"], "protocols": ["gr"], "methods": ["an", "gr"]},
    }
    checkout = pristine.copy(tmp_path / "checkout")
    (checkout.path / "hostile.yaml").write_text(json.dumps(document))
    for name in (evil, f"data/{evil}"):
        (checkout.path / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout.path / name).touch()
    checkout = replace(
        checkout,
        configuration=(
            "--configfile",
            "hostile.yaml",
            "--",
            "results/runs/voc/gr/an/seed0/metrics.json",
        ),
    )
    printed = checkout.ask("-n", "--printshellcmds")
    assert printed.count(shlex.quote(evil)) >= 3
    rest = printed.replace(shlex.quote(evil), "").replace(shlex.quote(f"data/{evil}"), "")
    commands = rest.split("Shell command:")[1:]
    assert commands
    assert not [part for part in commands if "touch pwned" in part.split("2>&1")[0]]
    assert not list(tmp_path.rglob("pwned"))
