"""The finished site in Debian's Chromium, without a network and away from where it was made."""

import shutil
from pathlib import Path

import pytest

PROGRAM = shutil.which("chromium")


@pytest.fixture(scope="module")  # Playwright's event loop would be in the way of other modules
def browser():
    if PROGRAM is None:
        pytest.skip("chromium (package chromium) is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # Without its sandbox, which a container's root user may not set up.
        chromium = driver.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site(finished, tmp_path_factory) -> Path:
    """The site in a copy of the results folder that lies alone: nothing else of the checkout."""
    results = tmp_path_factory.mktemp("moved") / "reproduction of Ünal & co"
    shutil.copytree(finished.path / "results", results)
    return results / "report"


@pytest.fixture
def open_page(browser, site):
    """A function that opens a page of the site in a window of its own; options are Playwright's."""
    contexts = []

    def open_page(name: str, **options):
        options = {"viewport": {"width": 1440, "height": 900}, "offline": True, **options}
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
