"""What the workflow catalogue looks for is there and is the same workflow."""

import re

import yaml

AS_CATALOGUED = ("--snakefile", "workflow/Snakefile")


def test_snakefile_of_the_workflow_folder_plans_what_the_one_above_does(pristine):
    table = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
    above, below = (
        dict(table.findall(pristine.ask("-n", *arguments))) for arguments in ((), AS_CATALOGUED)
    )
    # Each has a default target of its own, since Snakemake takes none from an included file.
    assert (above.pop("all"), below.pop("all", "0"), below.pop("everything")) == ("1", "0", "1")
    assert above == below
    assert int(above["train"]) > 5


def test_snakefile_of_the_workflow_folder_has_no_lint(pristine):
    assert "good condition" in pristine.ask("--lint", *AS_CATALOGUED)


def test_catalogue_is_told_only_what_is_so(pristine):
    usage = yaml.safe_load((pristine.path / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"]
    assert "clone" in usage["mandatory-flags"]["desc"]
    assert (pristine.path / "config/README.md").is_file()
