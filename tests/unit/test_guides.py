"""The documentation as a site: complete, its links whole, and nothing of it from elsewhere."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from checkouts import ROOT, tracked_files
from spml.planning.files import read
from spml.report.definitions import read_loss

METHODS = read(ROOT / "config/methods.yaml")["methods"]


class Page(HTMLParser):
    """Identifiers and addresses of a page, and the texts of the rows of its tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: list[tuple[str, str]] = []  # with the tag
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id", ""))
        self.addresses += [(tag, values[key]) for key in ("href", "src") if key in values]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def pages(guides) -> dict[Path, Page]:
    return {path: Page(path) for path in guides.glob("**/*.html")}


def section(path: str, heading: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table_rows(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


# --- links ----------------------------------------------------------------------------------------


def test_every_document_is_a_page(guides, pages):
    documents = [name for name in tracked_files() if name.endswith(".md")]
    assert len(documents) > 8
    assert {(guides / name).with_suffix(".html") for name in documents} <= set(pages)


def test_every_link_leads_somewhere_and_only_links_lead_out(pages):
    assert len(pages) > 10
    for path, page in pages.items():
        for tag, address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert tag == "a" or parts.scheme == "data", f"{path}: {address}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path}: {address}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path}: {address}"


def test_styles_load_nothing_from_elsewhere(guides):
    styles = [*guides.glob("_static/**/*.css")]
    assert styles
    for path in styles:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"url\([\"']?(https?:)?//|@import", text), path


def test_index_opens_the_first_page(guides, pages):
    [address] = {address for _, address in pages[guides / "index.html"].addresses}
    assert (guides / address).is_file()


def test_broken_link_fails(tmp_path):
    """README of another folder in place of the project's, with the same options."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/decisions.md").write_text("# B\n")
    (tmp_path / "README.md").write_text("# A\n\n[c](gone.md) [d](#lost)\n\n## Decisions\n")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet"]
    alone = ["-D", "include_patterns=**.md", "-D", "suppress_warnings=toc"]
    done = subprocess.run(
        [*command, *alone, "-c", ROOT / "docs", tmp_path, tmp_path / "site"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert re.findall(r"'([\w.]+)' \[myst", done.stderr) == ["gone.md", "lost"]


# --- what is put into pages -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue(guides, pages) -> dict[str, list[str]]:
    """The rows of the catalogue by the names of the methods."""
    page = pages[guides / "docs/methods.html"]
    return {row[1]: row for row in page.rows[1:]}


def test_catalogue_has_every_method_with_formula_source_year_and_file(catalogue):
    assert list(catalogue) == list(METHODS)
    for name, (title, _, formula, source, year, file) in catalogue.items():
        assert title == METHODS[name]["title"]
        assert formula
        assert len(source) > 10
        assert re.fullmatch(r"20[12]\d", year), name
        assert (ROOT / "workflow/spml/losses" / file).is_file()


@pytest.mark.parametrize(
    ("name", "formula", "source", "year"),
    [
        ("an", "s = 1: -log p; s = 0 or -1: -log(1 - p)", "Cole et al.", "2021"),
        ("gr", "v * [ k * (1 - p^q2) / q2 + (1 - k) * (1 - (1 - p)^q3) / q3 ]", "Chen", "2024"),
        ("gr_l2_mae", "as gr, with q2: 1", "arXiv 2405.03501", "2024"),
        ("gr_rational_k", "k = (1 - w) p / (1 - w p) + b, limited to 0..1", "Chen", "2024"),
        ("ll_r", "or 0 where the entry is unobserved and large", "Kim et al.", "2022"),
        ("splc", "s = 0, t >= change_epoch and p > tau: (1 - p)^gamma", "arXiv 2112.07368", "2021"),
        ("vpu", "L = sum over classes", "PU-MLC (ICME 2024)", "2024"),
        (
            "role",
            "+ ( (1/B) sum over the batch of a - expected_positives )^2 / C^2",
            "Cole",
            "2021",
        ),
    ],
)
def test_rows_of_the_catalogue(catalogue, name, formula, source, year):
    _, _, shown, citation, shown_year, _ = catalogue[name]
    assert formula in shown
    assert source in citation
    assert shown_year == year


def test_catalogue_shows_what_losses_say_as_it_stands(pages, guides):
    """Signs that Markdown would take for its own, in sentences and in formulas."""
    text = " ".join(pages[guides / "docs/methods.html"].text.split())
    assert "It is the hinge max(0, 1 - p + p_j) summed over j" in text
    assert "s = 0 : v * [ k * (1 - p^q2) / q2 + (1 - k) * (1 - (1 - p)^q3) / q3 ]" in text


def test_decisions_are_on_their_page_alone(pages, guides):
    subjects = [row[0].replace("`", "") for row in table_rows(section("README.md", "Decisions"))]
    assert len(subjects) > 20
    assert [row[0] for row in pages[guides / "docs/decisions.html"].rows[1:]] == subjects
    shown = {row[0] for row in pages[guides / "README.html"].rows if row}
    assert not shown & {subject for subject in subjects if " " in subject}


def test_notebook_is_a_page(pages, guides):
    cells = json.loads((ROOT / "docs/library.ipynb").read_text())["cells"]
    page = pages[guides / "docs/notebook.html"]
    shown = " ".join(page.text.split())
    for cell in cells:
        lines = "".join(cell["source"]).splitlines()
        assert " ".join(lines[0].lstrip("# ").split()) in shown
        if cell["cell_type"] == "code":
            assert " ".join(lines[-1].split()) in shown


# --- the list of methods in README ----------------------------------------------------------------


def test_readme_lists_every_method_with_its_paper():
    """Methods that extend others are their variants; venue and year are those of the loss's file."""
    rows = table_rows(section("README.md", "Methods"))
    listed = {name: source for names, source in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(listed) <= set(METHODS)
    for name, entry in METHODS.items():
        if "extends" not in entry:
            where = re.search(r"[A-Z]+ 20\d\d$|arXiv [\d.]+$|[A-Z]+ 20\d\d(?=, and)", listed[name])[
                0
            ]
            assert where in " ".join(read_loss(entry["loss"]).texts[0].split()), name
