"""The README's three steps to a loss of one's own, followed to the letter."""

import json
import re
import textwrap
from dataclasses import replace

import pytest
from checkouts import SMALL

pytestmark = pytest.mark.xdist_group("workflow")


def blocks(text: str) -> dict[str, str]:
    """The README's fenced blocks that begin with a file name in a comment, by that name."""
    found = {}
    for body in re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        body = textwrap.dedent(body)
        if match := re.match(r"# (\S+\.(?:py|yaml))\n", body):
            found[match.group(1)] = body[match.end() :]
    return found


def test_readme_s_own_loss_runs(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    readme = (checkout.path / "README.md").read_text()
    written = blocks(readme)
    assert set(written) == {"workflow/spml/losses/gce.py", "gce.yaml"}
    for name, text in written.items():
        (checkout.path / name).write_text(text)
    [command] = re.findall(r"snakemake (--cores all --configfile gce\.yaml -- \S+)", readme)
    target = command.split()[-1]
    replace(checkout, configuration=(*SMALL, "gce.yaml")).snakemake(target)
    metrics = json.loads((checkout.path / target).read_text())
    assert 0 < metrics["test"]["map"] <= 100
    # No other run was touched; what describes all losses takes the new one in.
    planned = checkout.planned()
    assert "describe_losses" in planned
    assert not {job for job in planned if job.split("/")[0] in ("observe", "train", "evaluate")}
