"""The workflow as a module of another Snakefile: in its own folder it works, elsewhere it says so."""

import shutil
from dataclasses import replace

import pytest

MODULE = """
module spml:
    snakefile: "{path}/Snakefile"
    {more}

use rule * from spml as spml_*

rule mine:
    input: rules.spml_gr_class_counts.output.csv
    output: "mine.txt"
    shell: "cp {{input}} {{output}}"
"""
SEED_7 = 'config: {"select": {"exhibits": ["gr_class_counts", "extra_cost"], "seeds": ["7"]}}'


def outer(checkout, folder, more=""):
    """Another Snakefile, elsewhere, that uses the one of the checkout; how to name it."""
    path = folder / "Snakefile"
    path.write_text(MODULE.format(path=checkout.path, more=more))
    return ("--snakefile", str(path))


def test_module_plans_in_the_folder_of_the_checkout(pristine, tmp_path):
    elsewhere = replace(pristine, path=tmp_path, configuration=())
    directory = ("--directory", str(pristine.path))
    printed = elsewhere.ask("-n", *outer(pristine, tmp_path), *directory, "mine")
    assert {"spml_compose_digits", "spml_observe", "spml_gr_class_counts", "mine"} <= {
        line.split()[0] for line in printed.splitlines() if line.strip()
    }


def test_config_of_the_module_statement_comes_after_the_files(pristine, tmp_path):
    alone = replace(pristine, configuration=())
    planned = alone.planned(*outer(pristine, tmp_path, SEED_7), "spml_all")
    trained = {job for job in planned if job.startswith("train/")}
    assert trained
    assert all(job.endswith("/seed7") for job in trained)
    wrong = outer(pristine, tmp_path, 'config: {"select": {"methods": ["grr"]}}')
    printed = alone.ask("-n", *wrong, fails=True)
    assert "the config: of the module statement: select.methods[0] is 'grr'" in printed


@pytest.mark.parametrize(
    ("more", "started_elsewhere", "sentence"),
    [
        ("", True, "this workflow runs in its own folder, and {here} is another one; start snakemake "
         "there, or with --directory {checkout}"),
        ('prefix: "sub"', False, "a module statement with prefix: or replace_prefix: moves files"),
        ('replace_prefix: {"results/": "mine/"}', False,
         "a module statement with prefix: or replace_prefix: moves files"),
    ],
)  # fmt: skip
def test_module_that_would_not_find_its_files_is_refused(
    pristine, tmp_path, more, started_elsewhere, sentence
):
    where = replace(pristine, path=tmp_path if started_elsewhere else pristine.path)
    printed = replace(where, configuration=()).ask(
        "-n", *outer(pristine, tmp_path, more), fails=True
    )
    assert sentence.format(here=tmp_path, checkout=pristine.path) in printed


def test_snakefile_without_the_rest_of_the_repository_is_refused(pristine, tmp_path):
    """As Snakemake fetches it for a module from a hosting provider."""
    shutil.copy(pristine.path / "Snakefile", tmp_path)
    shutil.copytree(pristine.path / "workflow/rules", tmp_path / "workflow/rules")
    alone = replace(pristine, path=tmp_path, configuration=())
    printed = alone.ask("-n", fails=True)
    assert "needs the rest of its repository: clone it, and run in the clone's folder" in printed
