"""The environments of the steps hold the versions that the tests run with."""

import re
from pathlib import Path

import pytest
import yaml

ENVIRONMENTS = sorted(Path("envs").glob("*.yaml"))


def locked_versions() -> dict[str, set[str]]:
    """All versions of each package in the lock; some depend on the version of Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9._-]+)==([^\s;\\]+)", Path("envs/requirements.lock").read_text(), re.MULTILINE
    ):
        versions.setdefault(name, set()).add(version)
    return versions


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_pinned_versions_are_those_of_the_lock(path):
    locked = locked_versions()
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    pins = 0
    for entry in environment["dependencies"]:
        for pin in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = re.match(r"([A-Za-z0-9._-]+)\s*(=*)\s*(.*)", pin).groups()
            if name in locked:
                pins += 1
                assert any(known.startswith(version) for known in locked[name]), f"{path}: {pin}"
    assert pins, f"{path} pins nothing that the lock knows"


def test_lock_is_pinned_by_hash_and_names_no_index():
    text = Path("envs/requirements.lock").read_text()
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
