"""How ``make docs`` builds the site: each document of the repository is a page, where it lies.

Nothing is written for the site alone that another file says: the catalogue of methods, the page of
decisions and the notebook are put into their pages from where they are kept.
"""

import json
import re
import sys
from itertools import chain
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))  # as Sphinx reads this file, its folder is not there
from catalogue import catalogue

ROOT = Path(__file__).parents[1]

PAGES = {
    "Guides": ["docs/user-guide", "docs/library", "docs/notebook", "docs/developer-guide"],
    "Reference": ["docs/methods", "config/README", "results/README", "docs/decisions"],
    "Project": ["CONTRIBUTING", "CHANGELOG"],
}

project = "Single-positive labels"
root_doc = "README"
extensions = ["myst_parser"]
include_patterns = [f"{page}.md" for page in (root_doc, *chain(*PAGES.values()))]
# Folders that are large, so that nobody looks for pages there.
exclude_patterns = [".*", "build", "data", "dist", "results/[!R]*", "tests", "workflow"]

myst_heading_anchors = 3
smartquotes = False  # what losses say of themselves has formulas
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = project
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # which a page that is opened from the disk may not fetch


def notebook() -> str:
    """The cells of the notebook as Markdown; its heading is that of the page."""
    document = json.loads((ROOT / "docs/library.ipynb").read_text(encoding="utf-8"))
    cells = []
    for cell in document["cells"]:
        text = "".join(cell["source"])
        cells.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return re.sub(r"\A# .*\n", "", "\n\n".join(cells))


def decisions(readme: str) -> tuple[str, str]:
    """README without what its section *Decisions* says, and what that is."""
    before, heading, rest = readme.partition("\n## Decisions\n")
    section, following, after = rest.partition("\n## ")
    link = "\n[They are on a page of their own](docs/decisions.md).\n"
    return f"{before}{heading}{link}{following}{after}", section


MADE = {
    "docs/methods": catalogue,
    "docs/notebook": notebook,
    "docs/decisions": lambda: decisions((ROOT / "README.md").read_text(encoding="utf-8"))[1],
}


def navigation() -> str:
    """All pages, for the sidebar."""
    return "".join(
        "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
        for caption, pages in PAGES.items()
    )


def complete(app: Sphinx, page: str, source: list[str]) -> None:
    """Put into a page what is kept elsewhere; a diagram is shown as the arrows in it."""
    source[0] = re.sub(r"```mermaid\n.+\n", "```text\n", source[0])
    if page == root_doc:
        source[0] = decisions(source[0])[0] + navigation()
    if page in MADE:
        source[0] = source[0].partition("<!-- On the site, what follows is replaced. -->")[0]
        source[0] += MADE[page]()


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """What opens a folder of pages is called so everywhere."""
    address = f"{root_doc}.html"
    text = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="refresh" content="0; {address}">\n'
        f'<title>{project}</title>\n<a href="{address}">{project}</a>\n</html>\n'
    )
    Path(app.outdir, "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", complete)
    app.connect("build-finished", write_index)
