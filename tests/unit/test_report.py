"""The page: complete, self-contained, and saying what the records say."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from finished_runs import configuration, write_results
from spml import report
from spml.addresses import exhibit_path, run_path
from spml.configuration import compact_json, report_settings
from spml.markdown import BEST, Table, format_tables

PAGE = Path("results/report/index.html")
# One white pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f"
    "0005fe02fe0def46b80000000049454e44ae426082"
)


class Page(HTMLParser):
    """Elements with their attributes, and the text outside style and script."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.text = ""
        self._open = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self._open.pop()

    def handle_data(self, data):
        if not self._open:
            self.text += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def write_exhibits(config):
    for key in config["select"]["exhibits"]:
        exhibit_path(key, ".csv").parent.mkdir(parents=True, exist_ok=True)
        exhibit_path(key, ".csv").write_text("a\n1\n")
        exhibit_path(key, ".caption.txt").write_text(f"Caption of {key} & more.\n")
        if key == "gr_main_table":
            table = Table(["Method", "mAP (%)"], [["<b>AN", "88.1"]], marks={(0, 1): BEST})
            exhibit_path(key, ".md").write_text(format_tables([table]))
            exhibit_path(key, ".tex").write_text("")
        else:
            exhibit_path(key, ".png").write_bytes(PNG)
            exhibit_path(key, ".pdf").write_bytes(b"")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(seeds=(0, 1))
    write_results(config)
    write_exhibits(config)
    return config


def render(config, monkeypatch):
    arguments = [
        "report", "--settings", compact_json(report_settings(config)),
        "--benchmarks", "results/benchmarks/train", "--output", str(PAGE),
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", arguments)
    report.main()
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def html(config, monkeypatch):
    return render(config, monkeypatch)


def test_page_needs_nothing_but_itself(html):
    page = Page(html)
    for tag, attributes in page.elements:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert not value.startswith(("http", "//")), (tag, value)
    assert not [link for link in page.attributes("link") if link.get("rel") == "stylesheet"]
    assert all("src" not in script for script in page.attributes("script"))
    assert all(
        image["src"].startswith("data:image/png;base64,") for image in page.attributes("img")
    )
    assert "@import" not in html
    assert "url(" not in html


def test_every_link_leads_somewhere(html):
    page = Page(html)
    places = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes["href"] for attributes in page.attributes("a")]
    assert len(links) > 20
    for link in links:
        if link.startswith("#"):
            assert link[1:] in places
        else:
            assert (PAGE.parent / link).is_file(), link


def test_every_selected_exhibit_is_shown_with_its_caption(html, config):
    page = Page(html)
    for key in config["select"]["exhibits"]:
        assert f"Caption of {key} & more." in page.text
        assert config["exhibits"][key]["title"] in page.text
    assert len(page.attributes("img")) == 5
    assert all(image["alt"] for image in page.attributes("img"))
    assert len(page.attributes("h1")) == 1


def test_exhibits_that_are_not_selected_are_left_out(config, monkeypatch):
    config["select"]["exhibits"] = ["gr_main_table", "ll_memorisation_curve"]
    page = Page(render(config, monkeypatch))
    assert "Learning curves" not in page.text
    assert "Beyond the papers" not in page.text
    assert len(page.attributes("img")) == 1


def test_report_without_runs(config, monkeypatch):
    """Class counts show no run, so there is neither a record nor a benchmark to read."""
    config["select"]["exhibits"] = ["gr_class_counts"]
    page = Page(render(config, monkeypatch))
    assert "Observed and missing positives per class" in page.text


def test_texts_are_escaped(html):
    assert "<b>AN" not in html
    assert "&lt;b&gt;AN" in html
    assert "<strong>88.1</strong>" in html


def test_cost_is_that_of_the_benchmarks(html):
    text = " ".join(Page(html).text.split())
    # Two seeds a method: 10 and 11 s, 600 and 601 MB.
    assert "Full labels 2 10.5 21.0 601 AN 2" in text
    assert "GPU" not in text
    assert "6 runs, 1 min 03 s together" in text


def test_cost_shows_memory_of_a_gpu_where_there_was_one(config, monkeypatch):
    path = run_path("alpha", "demo", "gr", 1) / "run.json"
    path.write_text(
        path.read_text().replace('"peak_device_memory_mb": 0', '"peak_device_memory_mb": 77')
    )
    text = " ".join(Page(render(config, monkeypatch)).text.split())
    assert "Peak GPU memory (MB)" in text
    assert "GR_1 <x> 2 10.5 21.0 601 77" in text


def test_provenance_counts_the_runs(html):
    text = " ".join(Page(html).text.split())
    assert "0123456789ab (3 runs)" in text
    assert "0123456789ab with uncommitted changes (3 runs)" in text
    assert "python 3.12.1, torch 2.11.0 (6 runs)" in text
    assert "matplotlib " in text


def test_configuration_holds_the_settings_of_each_method(html):
    text = Page(html).text
    for method in ("bce", "an", "gr"):
        assert f"loss: {method}" in text
    assert "single_positive" in text


def test_summary_names_the_best_row(html):
    sentence = "Main comparison: among the ranked methods, <b>AN has the best mAP (%), 88.1."
    assert sentence in Page(html).text


@pytest.mark.parametrize(
    ("text", "key"),
    [("94.5 ± 0.3", "94.5"), ("−2.0", "-2.0"), ("+6.1", "6.1"), ("−1.5 to +2.0", "-1.5"),
     ("1,234", "1234"), ("AN-LS", "an-ls"), ("–", "–"), ("3", "3")],
)  # fmt: skip
def test_cells_sort_by_their_first_number(text, key):
    assert report.sort_key(text) == key


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (245, "4 min 05 s"), (11220, "3 h 07 min")]
)
def test_durations_in_words(seconds, text):
    assert report.format_duration(seconds) == text


def test_settings_fit_on_a_command_line():
    config = configuration(datasets=("alpha", "beta"), protocols=("demo", "long"))
    for number in range(150):
        config["methods"][f"method{number}"] = {"title": f"Method number {number}", "loss": "an"}
    config["select"]["methods"] = list(config["methods"])
    assert len(json.dumps(report_settings(config))) < 60_000


def test_formulas_become_mathml_and_the_rest_is_escaped():
    html = report.with_formulas(r"$\beta$ if <odd>, else $p^2$")
    assert html.count("<math") == 2
    assert "&#x003B2;" in html or "β" in html
    assert "<msup><mi>p</mi><mn>2</mn></msup>" in html
    assert " if &lt;odd&gt;, else " in html
