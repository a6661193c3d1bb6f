"""A folder says what an edit costs: what Snakemake plans after one in each of them."""

from collections.abc import Iterable

import pytest
from checkouts import Checkout

PACKAGE = "workflow/spml"


def edit(checkout: Checkout, *patterns: str) -> None:
    """Add a comment to each file of the package that matches."""
    paths = [path for pattern in patterns for path in (checkout.path / PACKAGE).glob(pattern)]
    assert paths
    for path in paths:
        path.write_text(path.read_text() + "# a comment\n")


def of_rule(planned: Iterable[str], rule: str) -> set[str]:
    return {job.removeprefix(f"{rule}/") for job in planned if job.startswith(f"{rule}/")}


def test_edits_of_what_carries_results_and_of_what_a_person_asks_plan_nothing(checkout):
    edit(checkout, "plumbing/*.py", "planning/*.py", "desk/*.py", "plan.py", "show.py", "doctor.py")
    (checkout.path / PACKAGE / "plumbing/new.py").write_text("")
    with (checkout.path / PACKAGE / "plumbing/files.py").open("a") as file:
        file.write("from spml.plumbing import new, suggestions\n")
    assert "Nothing to be done" in checkout.ask("-n")


def test_edit_of_the_loop_plans_every_training(checkout):
    made = {
        "/".join(path.parts[-5:-1])
        for path in (checkout.path / "results/runs").glob("*/*/*/*/run.json")
    }
    edit(checkout, "training/engine.py")
    planned = checkout.planned()
    assert of_rule(planned, "train") == of_rule(planned, "evaluate") == made
    assert not {job for job in planned if job.startswith(("compose", "pretrain", "observe"))}


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("measures/statistics.py", {"compare"}),
        ("evaluate.py", {"evaluate"}),
        ("exhibits/gr_gradients.py", {"exhibits"}),
        ("report/runs.py", {"report"}),
    ],
)
def test_edit_elsewhere_plans_what_imports_it_and_what_follows(checkout, file, rules):
    edit(checkout, file)
    planned = {job.partition("/")[0] for job in checkout.planned()}
    assert rules <= planned
    assert not planned & {"train", "observe", "compose", "pretrain"}
