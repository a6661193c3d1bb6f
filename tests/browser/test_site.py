"""The pages of the site as a reader meets them, in a real browser."""

import io
import re
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image
from spml.exhibits.style import DARK

KINDS = (
    "index.html",
    "methods.html",
    "papers/gr.html",
    "papers/ll.html",
    "papers/extra.html",
    "datasets/digits.html",
    "methods/gr.html",
    "provenance.html",
)
# The last is a phone's. Zooming in to twice the size leaves a window of half the width.
WIDTHS = (1440, 720, 390)

LINKS = """
() => [...document.querySelectorAll("a[href], img[src], link[href], script[src]")]
  .map((element) => element.href || element.src)
  .map((address) => typeof address === "string"  // within a drawing it is not
    ? address : new URL(address.baseVal, document.baseURI).href).filter((address) => !address.startsWith("data:"))
"""

# Texts that begin or end outside the window, unless the reader can scroll to them.
OUTSIDE = """
() => {
  const scrolls = (element) => element.closest(".scroll, .picture, pre, .mapping, .formulas, #found");
  const hidden = (element) => element.closest(".skip, .unseen, [hidden]") || !element.checkVisibility();
  return [...document.querySelectorAll("body *")].filter((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const range = document.createRange();
    range.selectNodeContents(element);
    const box = range.getBoundingClientRect();
    const outside = box.left < -1 || box.right > document.documentElement.clientWidth + 1;
    return own && outside && !scrolls(element) && !hidden(element);
  }).map((element) => element.outerHTML.slice(0, 200));
}
"""


UNSEEN = """
(elements) => elements.filter((element) => {
  const box = element.getBoundingClientRect();
  return !element.checkVisibility({visibilityProperty: true}) || !box.width || !box.height;
}).map((element) => element.outerHTML.slice(0, 200))
"""


def local_path(address: str) -> Path:
    parts = urlsplit(address)
    assert parts.scheme == "file", address
    return Path(unquote(parts.path))


def first_column(page, table: str) -> list[str]:
    return page.locator(f"{table} tbody tr:visible th").all_inner_texts()


def test_every_page_loads_without_errors_and_every_link_leads_somewhere(open_page, site):
    page = open_page("index.html")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    links: dict[Path, list[str]] = {}
    places: dict[Path, set[str]] = {}
    for path in site.glob("**/*.html"):
        page.goto(path.as_uri())
        links[path] = page.evaluate(LINKS)
        ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids)), path
        places[path] = set(ids)
        broken = "() => [...document.images].filter((image) => !image.naturalWidth).length"
        assert page.evaluate(broken) == 0, path
    assert not problems
    assert {"index.html", "an.html", "digits.html", "ll.html"} <= {path.name for path in places}
    for path, addresses in links.items():
        for address in addresses:
            target = local_path(address)
            assert target.exists(), (path, address)
            assert site.parent in [target, *target.parents], (path, address)
            anchor = urlsplit(address).fragment
            assert not anchor or anchor in places[target], (path, address)


def test_no_text_leaves_a_window_of_any_width(open_page, site):
    page = open_page("index.html")
    for path in site.glob("**/*.html"):
        page.goto(path.as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.evaluate(OUTSIDE) == [], (path, width)


def test_wide_table_scrolls_in_its_place_beside_its_names_and_says_so(open_page):
    page = open_page("papers/gr.html", viewport={"width": 390, "height": 800})
    region = page.locator("#gr_main_table .scroll")
    assert region.evaluate("(element) => element.scrollWidth > element.clientWidth")
    assert page.get_by_text("Scroll sideways").first.is_visible()
    name = region.locator("tbody th").first
    before = name.bounding_box()["x"]
    region.evaluate("(element) => { element.scrollLeft = 80; }")
    assert name.bounding_box()["x"] == pytest.approx(before, abs=1)


def test_first_screen_holds_scope_result_picture_pictures_and_verdicts(open_page):
    page = open_page("index.html")
    assert "none of the" in page.locator(".scope").inner_text()
    for part in (".scope", ".result", ".gap tbody tr:last-child", ".samples", ".chips"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] < 900, part
    assert page.locator(".samples img").count() == 4


def test_main_table_and_claims_fit(open_page, site):
    page = open_page("papers/gr.html")
    cut = "(regions) => regions.map((element) => element.scrollWidth > element.clientWidth + 1)"
    assert page.locator("#gr_main_table .scroll").evaluate_all(cut) == [False]
    page.goto((site / "papers/extra.html").as_uri())
    assert page.locator("#extra_claims .scroll").evaluate_all(cut) == [False, False]


def test_picture_says_its_values_at_the_pointer_and_at_the_keyboard(open_page):
    page = open_page("index.html")
    tip = page.locator("#tip")
    assert not tip.is_visible()
    dot = page.locator(".gap tr.gr svg a").first
    dot.locator("path").hover()
    assert tip.inner_text().startswith("GR Loss, seed ")
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    page.locator(".gap tr.gr th a").focus()
    assert re.match(r"GR Loss: [\d.]+ % mAP \([\d.]+ to [\d.]+\)", tip.inner_text())
    page.keyboard.press("Tab")
    assert tip.inner_text().startswith("GR Loss, seed ")
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1440
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_mark_leads_to_its_run_and_a_chip_to_its_evidence(open_page):
    page = open_page("index.html")
    page.locator(".gap tr.gr svg a").first.press("Enter")
    page.wait_for_url("**/methods/gr.html#run-digits-demo-*")
    row = page.locator(f"[id='{urlsplit(page.url).fragment}']")
    assert row.is_visible()
    assert row.inner_text().startswith("Seed ")
    page.go_back()
    page.locator(".chips .chip:not(.not-run)").first.click()
    page.wait_for_url("**/papers/*.html#*")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("papers/gr.html", "#gr_main_table"),
        ("papers/ll.html", "#ll_partial_labels"),
        ("papers/ll.html", "#ll_memorisation_table"),
        ("papers/ll.html", "#ll_pointing_game"),
        ("datasets/digits.html", "#demo"),
    ],
)
def test_a_number_leads_to_the_runs_behind_it(open_page, name, table):
    page = open_page(name)
    numbers = page.locator(f"{table} td a.runs")
    # The keyboard stops once in a row, and the pointer finds each number.
    rows = page.locator(f"{table} tbody tr:has(a.runs)").count()
    assert rows
    assert page.locator(f"{table} td a.runs:not([tabindex])").count() == rows
    assert numbers.count() > rows
    numbers.last.click()
    page.wait_for_url("**/methods/*.html#runs-digits-demo")
    runs = page.locator("[id='runs-digits-demo']")
    assert runs.is_visible()
    assert "Seed 0" in runs.inner_text()
    page.go_back()
    numbers.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/methods/*.html#runs-digits-demo")


def shown_curves(page) -> list[str]:
    return page.locator(".series li:not(.other) .name").all_inner_texts()


def test_curves_are_chosen_with_buttons(open_page):
    page = open_page("datasets/digits.html")
    # At first those of both papers, and the two that they lie between.
    assert set(shown_curves(page)) == {"AN", "Full labels (BCE)", "GR Loss", "LL-R"}
    name = page.locator(".series button[aria-pressed=false] .name").first.inner_text()
    button = page.locator(".series button", has=page.get_by_text(name, exact=True))
    coloured = page.locator(".lines polyline:not(.other)")
    before = coloured.count()
    button.focus()
    page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "true"
    assert name in shown_curves(page)
    assert coloured.count() == before + 1
    looks = coloured.evaluate_all("(lines) => lines.map((line) => line.getAttribute('class'))")
    assert len(set(looks)) == len(looks)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert coloured.count() == before


def test_curves_say_their_values_at_the_pointer_and_at_the_keyboard(open_page, finished):
    history = finished.path / "results/runs/digits/demo/gr"
    runs = [path.read_text().splitlines() for path in sorted(history.glob("*/history.jsonl"))]
    values = [[float(re.search(r'"val_map": ([\d.]+)', line)[1]) for line in run] for run in runs]
    means = [f"{sum(epoch) / len(epoch):.1f} %" for epoch in zip(*values, strict=True)]
    page = open_page("datasets/digits.html")
    value = page.locator(".series li", has=page.get_by_text("GR Loss", exact=True)).locator(
        ".value"
    )
    slider = page.get_by_role("slider")
    assert value.inner_text() == means[-1]
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 42 / 360 + 2, box["y"] + 40)
    assert page.locator(".step").inner_text() == "Epoch 1"
    assert value.inner_text() == means[0]
    slider.focus()
    for key, epoch in (
        ("ArrowRight", 2),
        ("End", len(means)),
        ("ArrowLeft", len(means) - 1),
        ("Home", 1),
        ("ArrowLeft", 1),
    ):
        page.keyboard.press(key)
        assert value.inner_text() == means[epoch - 1]
        assert slider.get_attribute("aria-valuenow") == str(epoch)
        assert f"GR Loss {means[epoch - 1]}" in slider.get_attribute("aria-valuetext")
    # A marker on each curve in colour.
    assert page.locator(".lines circle").count() == len(shown_curves(page))


def test_page_of_a_method_shows_its_formula_and_what_its_curves_are(open_page):
    page = open_page("methods/gr.html")
    assert page.locator(".formulas math").count() >= 7
    gradient = page.locator("#gradient")
    gradient.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert gradient.locator(".step").inner_text() == "p = 0.01"
    names = gradient.locator(".name").all_inner_texts()
    assert names == ["Epoch 1 of 2", "Epoch 2 of 2"]
    curve = page.locator("#curves")
    curve.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert re.fullmatch(r"[\d.]+ % \([\d.]+ to [\d.]+\)", curve.locator(".value").inner_text())
    page.goto(page.url.replace("gr.html", "ll_r.html"))
    assert "No curve shows it" in page.locator("#gradient").inner_text()


def corner(image) -> tuple[int, ...]:
    """The colour near the corner of an element, where a figure is empty."""
    with Image.open(io.BytesIO(image.screenshot())) as picture:
        return picture.convert("RGB").getpixel((4, 4))


def test_figures_follow_the_theme(open_page):
    page = open_page("papers/gr.html", color_scheme="dark")
    for picture in page.locator(".picture img").all():
        assert corner(picture) == (20, 24, 29)
    button = page.locator("#theme")
    button.click()
    assert button.inner_text() == "Theme: light"
    for picture in page.locator(".picture img").all():
        assert corner(picture) == (255, 255, 255)


def test_no_colour_of_a_figure_is_left_as_it_is_on_a_dark_page(site):
    figures = list((site.parent / "exhibits").glob("*/*.svg"))
    assert len(figures) >= 10
    known = {colour.lower() for colour in DARK}
    for path in figures:
        _, drawn = path.read_text(encoding="utf-8").split("</style>", 1)
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", drawn)) <= known, path


def test_picture_is_filtered_by_paper_and_family(open_page):
    page = open_page("index.html")
    rows = page.locator(".gap tbody tr:visible th")
    everything = rows.all_inner_texts()
    paper, family = page.locator(".choose select").all()
    family.select_option(label="GR")
    assert rows.all_inner_texts() == ["GR Loss"]
    assert page.locator(".choose output").inner_text() == f"1 of {len(everything)} methods"
    family.select_option(label="all")
    paper.select_option(label="LL")
    assert "GR Loss" not in rows.all_inner_texts()
    assert "AN" in rows.all_inner_texts()
    paper.select_option(label="both papers")
    assert rows.all_inner_texts() == everything


def test_tables_sort_by_a_click_and_by_the_keyboard(open_page):
    page = open_page("papers/gr.html")
    table = "#gr_main_table"
    original = first_column(page, table)
    values = f"{table} tbody td:nth-child(2)"
    heading = page.locator(f"{table} th button", has_text="mAP")
    heading.click()
    numbers = [float(text.split()[0]) for text in page.locator(values).all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert page.locator(f"{table} th[aria-sort=descending]").count() == 1
    heading.press("Enter")
    assert [float(t.split()[0]) for t in page.locator(values).all_inner_texts()] == numbers[::-1]
    page.locator(f"{table} th button", has_text="Method").click()
    assert first_column(page, table) == sorted(original, key=str.lower)


def test_cells_without_a_number_come_last(open_page):
    page = open_page("papers/gr.html")
    for _ in range(2):
        page.locator("#gr_main_table th button", has_text="Difference").click()
        assert first_column(page, "#gr_main_table")[-1] == "AN"


def test_tables_are_filtered_as_one_types(open_page):
    page = open_page("papers/gr.html")
    box = page.get_by_label("Filter the rows of Known losses")
    total = len(first_column(page, "#gr_loss_mapping"))
    box.fill("ll-")
    assert first_column(page, "#gr_loss_mapping") == ["LL-R", "LL-Ct", "LL-Cp"]
    assert page.locator("#gr_loss_mapping output").inner_text() == f"3 of {total} rows"
    box.fill("")
    assert len(first_column(page, "#gr_loss_mapping")) == total


@pytest.mark.parametrize("start", ["index.html", "methods/gr.html"])
def test_search_leads_to_methods_and_exhibits(open_page, start):
    page = open_page(start)
    box = page.get_by_label("Search pages")
    box.fill("gr loss")
    assert "GR Loss" in page.locator("#found").inner_text()
    box.press("Enter")
    page.wait_for_url("**/methods/gr.html")
    page.get_by_label("Search pages").fill("false negatives memorisation")
    page.locator("#found a").first.click()
    page.wait_for_url("**/papers/ll.html#ll_memorisation_curve")
    page.get_by_label("Search pages").fill("zzz")
    assert page.locator("#found").inner_text() == "Nothing found"


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_theme_follows_the_system_until_the_reader_chooses(open_page):
    page = open_page("index.html", color_scheme="dark")
    dark = background(page)
    page.emulate_media(color_scheme="light")
    light = background(page)
    assert dark != light
    button = page.locator("#theme")
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert background(page) == dark
    page.reload()
    assert background(page) == dark
    page.locator("#theme").click()
    assert background(page) == light


def test_everything_can_be_read_without_scripts(open_page, site):
    page = open_page("index.html", java_script_enabled=False)
    for path in site.glob("**/*.html"):
        page.goto(path.as_uri())
        assert page.locator("h1").is_visible()
        assert page.locator("button, input, select, #tip").count() == 0
        shown = page.locator("table, main img, main svg.curves, .gap tbody svg a")
        assert shown.evaluate_all(UNSEEN) == [], path
    page.goto((site / "papers/gr.html").as_uri())
    assert page.locator("#gr_main_table tbody tr").count() >= 3
    page.locator("summary").first.click()
    assert page.get_by_text("each method's page links to the folders").first.is_visible()


def texts_shown(document: bytes) -> int:
    """How many pieces of text a PDF of Chromium's shows."""
    count = 0
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL):
        try:
            count += len(re.findall(rb"T[jJ]\b", zlib.decompress(stream)))
        except zlib.error:
            continue
    return count


@pytest.mark.parametrize(
    "name", ["index.html", "papers/gr.html", "datasets/digits.html", "methods/gr.html"]
)
def test_first_printed_page_is_full_and_light(open_page, name):
    page = open_page(name, color_scheme="dark", viewport={"width": 700, "height": 900})
    page.locator("#theme").click()
    page.locator("#theme").click()  # what the reader has chosen counts on the screen alone
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert page.locator(".filter:visible, .to-runs:visible").count() == 0
    assert background(page) == "rgb(255, 255, 255)"
    for picture in page.locator(".picture img, .pictures img").all()[:2]:
        assert corner(picture) == (255, 255, 255)
    assert texts_shown(page.pdf(page_ranges="1")) > 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_accessibility_checker_finds_nothing(open_page, site, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page("index.html", color_scheme=scheme, viewport={"width": width, "height": 900})
    for name in KINDS:
        page.goto((site / name).as_uri())
        found = axe.run(page).response["violations"]
        texts = [
            (v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found
        ]
        assert not texts, (name, texts)
