"""Lock, environments of the steps, project file and imports agree."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import requirements_closure as closure
import yaml
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

ENVIRONMENTS = sorted(Path("envs").glob("*.yaml"))
LOCK = Path("envs/requirements.lock")


def locked_versions(python: str | None = None) -> dict[str, set[str]]:
    """Versions of each package in the lock: all of them, or those for a version of Python."""
    versions: dict[str, set[str]] = {}
    for name, version, marker in re.findall(
        r"^([a-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", LOCK.read_text(), re.MULTILINE
    ):
        surroundings = {"python_version": python, "python_full_version": f"{python}.0"}
        if not (python and marker) or Marker(marker.strip()).evaluate(surroundings):
            versions.setdefault(name, set()).add(version)
    return versions


def python_of(environment: Path) -> str:
    """The Python that an environment asks for."""
    entries = yaml.safe_load(environment.read_text())["dependencies"]
    [version] = [entry.partition("=")[2] for entry in entries if str(entry).startswith("python ")]
    return version


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_pinned_versions_are_those_of_the_lock(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    locked = locked_versions(python_of(path))
    pins = closure.pins(path)
    assert pins
    for name, version in pins.items():
        assert locked[name] == {version}, f"{path}: {name}"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_have_the_python_that_the_project_asks_for(path):
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert f"{python_of(path)}.0" in SpecifierSet(project["project"]["requires-python"])
    locked_for = re.search(r"--python-version (\S+)", Path("Makefile").read_text())[1]
    assert project["project"]["requires-python"] == f">={locked_for}"
    assert project["tool"]["ruff"]["target-version"] == f"py{locked_for.replace('.', '')}"


def test_environments_hold_what_the_stages_of_their_rules_import_and_no_more():
    needed: dict[str, set[str]] = {}
    for stage in closure.stages():
        needed.setdefault(stage.environment, set()).update(closure.needed_packages(stage))
    needed["train_cpu"] = needed["train"]  # which takes its place where there is no GPU
    assert set(needed) == {path.stem for path in ENVIRONMENTS}
    for name, packages in needed.items():
        assert set(closure.pins(Path(f"envs/{name}.yaml"))) == packages, name


def test_packages_of_a_stage_are_found():
    """Otherwise the test above would not see that a stage lacks a package."""
    by_rule = {stage.rule: stage for stage in closure.stages()}
    assert by_rule["train"].environment == by_rule["localise"].environment == "train"
    assert "torch" in closure.needed_packages(by_rule["localise"])
    assert "scipy" in closure.needed_packages(by_rule["format"])
    assert "seaborn" in closure.needed_packages(by_rule["gr_gradients"])


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_new_environment_is_checked_by_importing_each_of_its_packages(path):
    """Snakemake runs the file of this name once the environment is made."""
    script = path.with_name(f"{path.stem}.post-deploy.sh").read_text()
    [modules] = re.findall(r"^python -c 'import (.+)'$", script, re.MULTILINE)
    distributions = packages_distributions()
    checked = {closure.normalized(distributions[name][0]) for name in modules.split(", ")}
    assert checked == set(closure.pins(path))


def test_lock_is_pinned_by_hash_and_names_no_index():
    text = LOCK.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z])", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_direct_requirements_are_in_the_lock():
    locked = locked_versions()
    for line in Path("envs/requirements.in").read_text().splitlines()[1:]:
        name, _, version = line.partition("==")
        assert name in locked, name
        assert not version or version in locked[name]


def test_pinned_versions_stand_in_one_way_everywhere():
    """What requirements.in and the Snakefile pin is what the lock holds."""
    snakemake = re.search(r'min_version\("(.+)"\)', Path("Snakefile").read_text())[1]
    [locked] = locked_versions()["snakemake"]
    assert locked in SpecifierSet(f"~={snakemake}")


def test_environment_that_another_checkout_has_is_not_emptied(tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    (theirs / "python").write_text("here")
    (ours / "envs").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", str(LOCK)):
        shutil.copy(name, ours / name)
    (ours / ".venv").symlink_to(theirs)
    made = subprocess.run(["make", "setup"], cwd=ours, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert ".venv is a link" in made.stderr
    assert (theirs / "python").read_text() == "here"
