"""The documentation as a reader opens it: from the disk, without a network."""

import pytest


@pytest.fixture
def page(browser):
    context = browser.new_context(offline=True)
    yield context.new_page()
    context.close()


def test_pages_load_without_errors(page, guides):
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    for path in {*guides.glob("**/*.html")} - {guides / "index.html"}:  # which leads to another
        page.goto(path.as_uri())
    assert problems == []


def test_index_leads_to_the_first_page_and_from_there_to_all_others(page, guides):
    page.goto((guides / "index.html").as_uri())
    page.wait_for_url((guides / "README.html").as_uri())
    links = page.locator(".sidebar-tree a").evaluate_all("links => links.map(link => link.href)")
    assert (guides / "docs/methods.html").as_uri() in links
    assert (guides / "docs/notebook.html").as_uri() in links


def test_search_finds_a_page(page, guides):
    page.goto((guides / "README.html").as_uri())
    page.get_by_role("textbox", name="Search").fill("pseudo-labelled")
    page.keyboard.press("Enter")
    # Pages that are found come one after the other.
    page.locator("ul.search").get_by_role("link", name="Methods", exact=True).wait_for()
