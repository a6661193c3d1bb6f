"""One version everywhere, and the numbers of a release in its changelog."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from spml.exhibits.markdown import Table, parse_tables

VERSION = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
CHANGES = Path("CHANGELOG.md").read_text(encoding="utf-8")


def section(version: str) -> str:
    [text] = re.findall(rf"^## {re.escape(version)} .*\n((?:(?!## ).*\n?)*)", CHANGES, re.MULTILINE)
    return text


def test_citation_and_changelog_have_the_version_of_the_project():
    citation = yaml.safe_load(Path("CITATION.cff").read_text())
    assert citation["version"] == VERSION
    heading = f"## {VERSION} ({citation['date-released'].isoformat()})"
    assert heading in CHANGES.splitlines()


def main_table(text: str) -> Table:
    """The table of methods in a document."""
    [table] = parse_tables(re.search(r"^\| Method .*\n(\|.*\n)+", text, re.MULTILINE)[0])
    return table


def test_readme_shows_rows_of_the_newest_table():
    """What the first page quotes is what the changelog holds whole, the newest first."""
    whole = main_table(CHANGES)
    shown = main_table(Path("README.md").read_text(encoding="utf-8"))
    assert shown.header == whole.header
    assert len(shown.rows) >= 5
    for row in shown.rows:
        assert row in whole.rows, row


@pytest.mark.parametrize("name", ["GR Loss", "LL-R", "LL-Ct", "LL-Cp", "AN"])
def test_release_names_the_papers_methods(name):
    assert f"| {name} |" in section(VERSION)
