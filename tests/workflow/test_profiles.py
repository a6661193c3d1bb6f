"""The profiles: every key is one that Snakemake knows, every rule one that exists."""

import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from checkouts import Checkout
from requirements_closure import stages
from snakemake.cli import get_argument_parser

PROFILES = sorted(path.name for path in Path("workflow/profiles").iterdir())


@pytest.mark.parametrize("name", PROFILES)
def test_profile_has_only_keys_that_snakemake_knows(name):
    folder = Path("workflow/profiles", name)
    arguments = get_argument_parser([str(folder)]).parse_args([])
    assert arguments.keep_going
    assert arguments.rerun_incomplete


def test_key_that_snakemake_does_not_know_is_refused(tmp_path, capsys):
    profile = Path("workflow/profiles/slurm/profile.yaml").read_text()
    (tmp_path / "profile.yaml").write_text(profile.replace("slurm-requeue", "slurm-reque"))
    with pytest.raises(SystemExit):
        get_argument_parser([str(tmp_path)]).parse_args([])
    assert "--slurm-reque" in capsys.readouterr().err


@pytest.mark.parametrize("name", PROFILES)
def test_profile_names_only_rules_that_exist(name):
    profile = yaml.safe_load(Path("workflow/profiles", name, "profile.yaml").read_text())
    named = {*profile.get("set-resources", {}), *profile.get("groups", {})}
    assert named <= {stage.rule for stage in stages()}
    assert set(profile.get("group-components", {})) == set(profile.get("groups", {}).values())


def test_what_needs_the_network_or_the_user_runs_where_snakemake_does():
    here = {stage.rule for stage in stages() if not stage.is_submitted}
    assert here == {"download", "download_weights", "fetch_images", "report"}


@pytest.mark.parametrize("name", PROFILES)
def test_profile_plans_without_a_cluster(pristine, name):
    printed = pristine.ask("-n", "--workflow-profile", f"workflow/profiles/{name}")
    assert re.search(r"^train +[1-9]", printed, re.M)


# Snakemake, which writes of each job that it plans what the job asks for. To a file of its own:
# what Snakemake prints comes from another thread, and would cut the lines.
TELLER = """
import json
import logging
import sys
from pathlib import Path

from snakemake.cli import main
from snakemake.logging import logger


def tell(record: logging.LogRecord) -> bool:
    if hasattr(record, "rule_name") and hasattr(record, "resources"):
        resources = {k: str(v) for k, v in record.resources.items()}
        with Path(__file__).with_name("asked").open("a") as asked:
            asked.write(json.dumps([record.rule_name, resources]) + "\\n")
    return True


logger.addFilter(tell)
main(sys.argv[1:])
"""
OWN_PROFILE = """
default-resources: {slurm_account: mine, slurm_partition: cpu}
set-resources:
  train: {slurm_partition: gpu}
"""


@dataclass(frozen=True)
class Teller(Checkout):
    """A checkout in which the module of a folder runs."""

    folder: str = ""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": self.folder}


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_account_and_partition_of_a_profile_of_ones_own_survive(pristine, tmp_path, name):
    (tmp_path / "teller.py").write_text(TELLER)
    (tmp_path / "profile.yaml").write_text(OWN_PROFILE)
    Teller(pristine.path, pristine.configuration, str(tmp_path)).imported(
        "teller",
        *("-n", "--profile", str(tmp_path), "--workflow-profile", f"workflow/profiles/{name}"),
        *("results/runs/digits/demo/an/seed0/metrics.json", *pristine.configuration),
    )
    asked = dict(map(json.loads, (tmp_path / "asked").read_text().splitlines()))
    assert {"observe", "train", "evaluate"} <= asked.keys()
    for rule, resources in asked.items():
        assert resources["slurm_account"] == "mine", rule
        assert resources["slurm_partition"] == ("gpu" if rule == "train" else "cpu"), rule
        # What a job needs is no profile's to say.
        assert int(resources["mem_mb"]) > 0, rule
        assert int(resources["runtime"]) > 0, rule
    assert asked["train"]["slurm_extra"] == "--signal=TERM@180"
    assert asked["observe"]["together"] == asked["evaluate"]["together"] == "1"


# Stand-ins of schedulers: each runs what it is given in the background, as a job called 7.
STARTED = """
(sh "$script" >>jobs.log 2>&1; echo $? >exit_status) </dev/null >/dev/null 2>&1 &
"""
QSUB = f"""#!/bin/sh
echo "$*" >>asked
for script; do :; done{STARTED}
echo 7
"""
QSTAT = """#!/bin/sh
[ "$3" = 7 ] && [ -e exit_status ] && echo "Exit_status = $(cat exit_status)"
"""
KUBECTL = f"""#!/bin/sh
if [ "$1" = get ]; then
    [ "$3" = 7 ] && [ -e exit_status ] || exit 0
    [ "$(cat exit_status)" = 0 ] && echo Complete || echo Failed
    exit
fi
cat >>asked
script=$(python -c 'import json; j = json.load(open("asked"))
print(j["spec"]["template"]["spec"]["containers"][0]["command"][1])'){STARTED}
printf 7
"""


def submit(checkout: Checkout, profile: str, target: str, monkeypatch, **programs: str) -> str:
    """Make ``target`` through a profile with stand-ins on the path; return what they were asked."""
    folder = checkout.path / "programs"
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    checkout.snakemake(
        target,
        *("--workflow-profile", f"workflow/profiles/{profile}"),
        *("--latency-wait", "5", "--seconds-between-status-checks", "0"),
    )
    return (checkout.path / "asked").read_text()


def lost_run(checkout: Checkout) -> str:
    """Delete the record of a run; return the target that makes it again."""
    target = "results/runs/digits/demo/an/seed0/run.json"
    (checkout.path / target).unlink()
    return target


def test_generic_profile_submits_what_a_training_needs(checkout, monkeypatch):
    target = lost_run(checkout)
    asked = submit(checkout, "generic", target, monkeypatch, qsub=QSUB, qstat=QSTAT)
    assert "-l select=1:ncpus=1:ngpus=1:mem=1500mb -l walltime=1800 " in asked
    assert (checkout.path / target).exists()


def test_kubernetes_profile_submits_what_a_training_needs(checkout, monkeypatch):
    target = lost_run(checkout)
    asked = json.loads(submit(checkout, "kubernetes", target, monkeypatch, kubectl=KUBECTL))
    assert asked["spec"]["activeDeadlineSeconds"] == 1800
    [container] = asked["spec"]["template"]["spec"]["containers"]
    assert container["workingDir"] == str(checkout.path)
    assert container["resources"]["limits"] == {"cpu": 1, "memory": "1500M", "nvidia.com/gpu": 1}
    assert (checkout.path / target).exists()
