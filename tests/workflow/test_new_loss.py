"""A loss that is added re-describes the losses and touches no run."""

import re
import textwrap


def test_a_new_loss_makes_no_other_run_anew(checkout):
    guide = (checkout.path / "docs/user-guide.md").read_text()
    [text] = re.findall(r"^ *```python\n( *# \S+/gce\.py\n.*?)^ *```", guide, re.M | re.DOTALL)
    (checkout.path / "workflow/spml/losses/gce.py").write_text(textwrap.dedent(text))
    planned = checkout.planned()
    assert "describe_losses" in planned
    assert not {job for job in planned if job.split("/")[0] in ("observe", "train", "evaluate")}
