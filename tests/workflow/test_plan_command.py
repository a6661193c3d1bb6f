"""The plan before a run, and what keeps results that a change does not matter to."""

from dataclasses import dataclass, replace

import pytest
from checkouts import SMALL, Checkout

RUNS = "results/runs/digits/demo/gr"


@dataclass(frozen=True)
class Planner(Checkout):
    """A checkout in which the package's own commands run, with a wide terminal."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": "workflow", "COLUMNS": "200"}


def plan(checkout: Checkout, *arguments: str, fails: bool = False) -> str:
    printed = Planner(checkout.path).imported(
        "spml.plan", *arguments, *checkout.configuration, fails=fails
    )
    assert "Traceback" not in printed
    return printed


def edit_loss(checkout) -> None:
    checkout.edit("workflow/spml/losses/gr.py", "\nclass ", "\nCHANGED = True\n\n\nclass ")


def edit_settings(checkout) -> None:
    checkout.edit("config/methods.yaml", "q2: 0.01", "q2: 0.02")


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_plan_tells_the_jobs_and_why_with_any_profile(checkout, profile):
    edit_loss(checkout)
    text = plan(checkout, f"--workflow-profile=workflow/profiles/{profile}")
    [train] = [line for line in lines(text) if line.startswith("train ")]
    assert train.startswith("train 3 digits gr, gr_l2_log")
    assert train.endswith("changed loss: gr.py")
    assert "ask for a GPU" in text
    assert "by benchmarks of these or of like jobs" in text
    assert "snakemake --touch" in text
    assert len(list(checkout.path.glob(f"{RUNS}/*/metrics.json"))) == 2


def test_plan_of_a_target_and_of_nothing(finished):
    text = plan(finished, f"{RUNS}/seed7/metrics.json")
    assert "2 jobs are to be run." in text
    assert "new: its files are not there" in text
    assert "--touch" not in text
    assert "Left out" not in text
    assert "Nothing is to be done" in plan(finished)


def test_profile_of_a_machine_without_gpus_asks_for_none(finished, tmp_path):
    profile = (finished.path / "workflow/profiles/slurm/profile.yaml").read_text()
    chosen = "config: [device=cpu]"
    assert f"# {chosen}" in profile
    (tmp_path / "profile.yaml").write_text(profile.replace(f"# {chosen}", chosen))
    target = f"{RUNS}/seed7/metrics.json"
    text = plan(finished, f"--workflow-profile={tmp_path}", target)
    assert "ask for a GPU" not in text
    assert "CPU-hours: " in text


def test_plan_takes_a_target_after_configuration_files(finished):
    printed = Planner(finished.path).imported("spml.plan", *SMALL, f"{RUNS}/seed7/metrics.json")
    assert [line for line in lines(printed) if line.startswith("train 1 digits gr ")]


def test_plan_of_a_mistyped_target_names_the_nearest(pristine):
    printed = Planner(pristine.path).imported("spml.plan", *SMALL, "gr_main_tabel", fails=True)
    assert "there is no target 'gr_main_tabel' (did you mean 'gr_main_table'?)" in printed
    assert "Traceback" not in printed


def test_plan_of_what_does_not_exist_is_a_sentence(pristine):
    printed = plan(pristine, "nowhere/metrics.json", fails=True)
    assert "nowhere/metrics.json" in printed
    assert "Snakemake cannot plan this" in printed


@pytest.mark.parametrize(("text", "told"), [(None, "No such file"), ("", "must be a map of keys")])
def test_configuration_file_that_is_none_is_named(pristine, tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    printed = Planner(pristine.path).imported("spml.plan", "--configfile", str(path), fails=True)
    assert f"error: {path} " in printed
    assert told in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("number", ["1e-3", "0.1E-2"])
def test_number_written_with_an_exponent_is_the_same_setting(pristine, tmp_path, number):
    """In a file and on the command line: training is started with the very same words."""
    change = f"{{demo: {{training: {{learning_rate: {number}}}}}}}"
    (tmp_path / "mine.yaml").write_text(f"protocols: {change}")
    commands = set()
    for more in ((), (str(tmp_path / "mine.yaml"),), ("--config", f"protocols={change}")):
        checkout = replace(pristine, configuration=(*SMALL, *more, "--", f"{RUNS}/seed0/run.json"))
        printed = checkout.ask("-n", "--printshellcmds")
        commands.add(printed.partition("exec python -m spml.train")[2].partition(">results")[0])
    [command] = commands
    assert '"learning_rate":0.001,' in command


def test_option_given_twice_of_which_the_first_would_be_lost_is_refused(pristine):
    for words in (
        ("--configfile", "config/all_methods.yaml"),
        ("--config", "device=cpu", "-C", "threads=2"),
    ):
        option = f"{words[0]} is given more than once on the command line"
        assert option in pristine.ask("-n", *words, fails=True)
        assert option in plan(pristine, *words, fails=True)


def test_what_is_left_out_is_said_once_at_the_start_and_in_the_plan(finished, tmp_path):
    (tmp_path / "more.yaml").write_text("select: {protocols: [demo, gr]}")
    checkout = replace(finished, configuration=(*SMALL, str(tmp_path / "more.yaml")))
    told = "Left out, since nothing else that is selected is for them: protocols gr"
    target = f"{RUNS}/seed7/metrics.json"
    assert checkout.ask("-n", target).count(told) == 1
    assert plan(checkout, target).count(told) == 1


def test_touch_keeps_runs_whatever_has_changed(checkout):
    edit_loss(checkout)
    edit_settings(checkout)
    kept = (checkout.path / RUNS / "seed0/metrics.json").read_bytes()
    checkout.ask("--touch")
    assert "Nothing to be done" in checkout.ask("-n")
    assert (checkout.path / RUNS / "seed0/metrics.json").read_bytes() == kept


def test_touch_of_targets_keeps_only_these_and_makes_no_missing_file(checkout):
    edit_loss(checkout)
    (checkout.path / RUNS / "seed1/weights.pt").unlink()
    checkout.ask("--touch", f"{RUNS}/seed0/metrics.json")
    planned = {job for job in checkout.planned() if job.startswith("train")}
    assert planned == {"train/digits/demo/gr/seed1", "train/digits/demo/gr_l2_log/seed0"}


def test_changed_settings_are_ignored_once_or_for_good(checkout):
    edit_settings(checkout)
    assert [job for job in checkout.planned() if job.startswith("train/")]
    # Options that take several values end where the next option begins.
    once = checkout.planned("--rerun-triggers", "mtime", "--nolock")
    assert not [job for job in once if job.startswith(("train/", "evaluate/"))]
    files = [str(p.relative_to(checkout.path)) for p in checkout.path.glob(f"{RUNS}/*/*")]
    checkout.ask("--cleanup-metadata", *files)
    assert not [job for job in checkout.planned() if job.startswith(("train/", "evaluate/"))]
