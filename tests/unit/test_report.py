"""The site: complete, in need of nothing else, and saying what the records say."""

import importlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from finished_runs import ROOT, configuration, write_comparisons, write_results
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits import cells, style
from spml.exhibits.markdown import BEST, Formulas, Table, format_tables
from spml.illustrate import illustrate
from spml.planning.configuration import compact_json, made_with
from spml.planning.shown import reported_runs
from spml.planning.stage_settings import exhibit_settings, report_settings
from spml.plumbing.addresses import (
    METHOD_GRADIENT_TABLE,
    exhibit_path,
    labels_path,
    observed_path,
    pictures_path,
    run_path,
)
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError
from spml.plumbing.files import write_json
from spml.report import __main__ as command
from spml.report import curves, definitions, texts
from spml.report.exhibits import Exhibit, Picture, read_picture, rows_of
from spml.report.methods import format_value
from spml.report.pages import method_page, page_paths

SITE = Path("results/report")
FILES = [
    str(ROOT / f"config/{name}.yaml") for name in ("datasets", "protocols", "methods", "sweeps")
]
# One white pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f"
    "0005fe02fe0def46b80000000049454e44ae426082"
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"/>'


class Page(HTMLParser):
    """Elements with their attributes, and the text outside style and script."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.text = ""
        self._open = []
        self.feed(html)
        self.text = " ".join(self.text.split())

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


# What the front page reads of the data of exhibits.
DATA = {
    "extra_claims": "number,paper,claim,exhibit,dataset,place,of_the_paper,evidence,verdict\n"
    "1,gr,GR scores & wins,gr_main_table,alpha,Alpha,False,+1.0,supported\n"
    "2,ll,LL is told,ll_openimages,,,,,not run\n",
    "extra_reproduction_summary": "verdict\nnot run\nnot run\n",
}


def write_exhibits(config):
    for key in config["select"]["exhibits"]:
        exhibit_path(key, ".csv").parent.mkdir(parents=True, exist_ok=True)
        exhibit_path(key, ".csv").write_text(DATA.get(key, "a\n1\n"))
        exhibit_path(key, ".caption.txt").write_text(f"Caption of {key} & more.\n")
        if "table" in key or key in ("extra_claims", "extra_reproduction_summary"):
            rows = [[item["title"], "88.1"] for item in config["methods"].values()]
            table = Table(["Method", "mAP (%)"], [["<b>AN", "88.1"], *rows], marks={(0, 1): BEST})
            exhibit_path(key, ".md").write_text(format_tables([table]))
            exhibit_path(key, ".tex").write_text("")
        else:
            exhibit_path(key, ".png").write_bytes(PNG)
            exhibit_path(key, ".svg").write_text(SVG)
            exhibit_path(key, ".pdf").write_bytes(b"")
        suffixes = (".csv", ".caption.txt", ".md", ".tex", ".png", ".svg", ".pdf")
        paths = (exhibit_path(key, suffix) for suffix in suffixes)
        write_checksums(*(path for path in paths if path.exists()))


def write_gradients(config):
    """Of AN one curve and of GR three, as describing the losses leaves them; of others none."""
    rows = [
        f"{method},{config['methods'][method]['title']},{epoch},8,{p},{slope * p}"
        for method, epochs in (("an", {1: 1}), ("gr", {1: 0.5, 4: 0.25, 8: -0.5}))
        if method in config["methods"]
        for epoch, slope in epochs.items()
        for p in (0.25, 0.5, 0.75)
    ]
    path = Path(METHOD_GRADIENT_TABLE)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "method,title,epoch,total_epochs,probability,gradient"
    path.write_text("\n".join([header, *rows, ""]))
    write_checksums(path)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(seeds=(0, 1))
    write_results(config)
    write_gradients(config)
    write_exhibits(config)
    write_pictures(config)
    return config


def write_pictures(config):
    for item in report_settings(config)["pictures"]:
        images = np.zeros((60, 4, 4, 1), dtype=np.uint8)
        observed = load_observation(observed_path(**item))
        pictures = illustrate(load_labels(labels_path(item["dataset"])), observed, images)
        write_json(pictures_path(**item), pictures)


def settings_of(config):
    """The settings of the report as its rule gives them."""
    return {**report_settings(config), "made_with": made_with(config, reported_runs(config))}


def render(config, monkeypatch):
    """Make the site; return its pages by their path in it."""
    arguments = [
        "report", "--settings", compact_json(settings_of(config)),
        "--benchmarks", "results/benchmarks/train", "--definitions", *FILES,
        "--output-directory", str(SITE),
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    return {
        str(path.relative_to(SITE)): Page(path.read_text(encoding="utf-8"))
        for path in SITE.glob("**/*.html")
    }


@pytest.fixture
def site(config, monkeypatch):
    return render(config, monkeypatch)


def test_declared_files_are_those_that_are_written(site, config):
    written = {str(path.relative_to(SITE)) for path in SITE.glob("**/*.*")}
    assert written == set(page_paths(report_settings(config)))
    assert "methods/gr.html" in written
    assert "datasets/alpha.html" in written


def test_pages_of_what_is_no_longer_selected_disappear(site, config, monkeypatch):
    config["select"]["methods"] = ["bce", "an"]
    config["select"]["exhibits"] = ["gr_main_table"]
    pages = render(config, monkeypatch)
    assert "methods/an.html" in pages
    assert "methods/gr.html" not in pages
    assert "papers/ll.html" not in pages


def test_site_needs_nothing_from_elsewhere(site):
    for page in site.values():
        for tag, attributes in page.elements:
            for name in ("src", "href"):
                value = attributes.get(name) or ""
                assert not value.startswith(("http", "//", "/")), (tag, value)
    style = (SITE / "style.css").read_text()
    assert "@import" not in style
    assert "url(" not in style


def test_every_link_leads_somewhere_also_after_results_were_moved(site, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.move("results", moved)
    places = {
        name: {item["id"] for _, item in page.elements if "id" in item}
        for name, page in site.items()
    }
    checked = 0
    for name, page in site.items():
        for _, attributes in page.elements:
            link = attributes.get("href") or attributes.get("src") or ""
            if link.startswith("data:"):
                continue
            if link:
                file, _, anchor = link.partition("#")
                target = (moved / "report" / name).parent / file if file else Path(name)
                assert not file or target.exists(), (name, link)
                if anchor:
                    inside = target.resolve().relative_to(moved / "report") if file else name
                    assert anchor in places[str(inside)], (name, link)
                checked += 1
    assert checked > 100


def test_every_selected_exhibit_is_shown_with_its_caption(site, config):
    shown = Page("")
    for name, page in site.items():
        assert len(page.attributes("h1")) == 1
        if name.startswith("papers/"):
            shown.text += page.text
            shown.elements += page.elements
    for key in config["select"]["exhibits"]:
        assert f"Caption of {key} & more." in shown.text
        assert config["exhibits"][key]["title"] in site["index.html"].text
    assert len(shown.attributes("img")) == 5
    assert all(image["alt"] for image in shown.attributes("img"))


def select(config, *keys):
    """Select exhibits that show no run of their own too, and write their files."""
    for key in keys:
        config["exhibits"][key] = {"paper": key.split("_")[0], "title": key, "methods": []}
    config["select"]["exhibits"] += keys
    write_exhibits(config)


def write_gap(config, monkeypatch):
    """Compare the methods and make the picture of the gap, as the rules do."""
    select(config, "extra_claims", "extra_reproduction_summary")
    config["select"]["exhibits"].append("extra_gap_closed")
    write_comparisons(config, "gr_main_table")
    path = exhibit_path("gr_main_table", ".csv")
    path.write_text(
        "dataset,protocol,method,published,published_metric\nalpha,demo,gr,70,test_map\n"
    )
    write_checksums(path)
    settings = compact_json(exhibit_settings(config, "extra_gap_closed"))
    directory = str(exhibit_path("extra_gap_closed", "").parent)
    arguments = ["gap", "--settings", settings, "--output-directory", directory]
    monkeypatch.setattr("sys.argv", arguments)
    importlib.import_module("spml.exhibits.extra_gap_closed").main()
    write_exhibits_checksums("gr_main_table")


def write_exhibits_checksums(key):
    paths = (exhibit_path(key, suffix) for suffix in (".csv", ".caption.txt", ".md", ".tex"))
    write_checksums(*paths)


def test_front_page_opens_with_what_was_run_the_result_and_its_picture(config, monkeypatch):
    write_gap(config, monkeypatch)
    page = render(config, monkeypatch)["index.html"]
    caption = exhibit_path("extra_gap_closed", ".caption.txt").read_text()
    order = [
        "Alpha, 2 seeds: none of the 2 published numbers tested.",
        caption[: caption.index(" Not told") if " Not told" in caption else 60],
        "What training sees",
        "The first training pictures of Alpha",
        "Claims of the papers",
        "Boosting Single Positive Multi-label Classification",
        "Large Loss Matters in Weakly Supervised",
    ]
    places = [page.text.find(text) for text in order]
    assert -1 not in places
    assert places == sorted(places)
    dots = [item["href"] for item in page.attributes("a") if "#run-alpha" in item.get("href", "")]
    assert set(dots) >= {f"methods/an.html#run-alpha-demo-{seed}" for seed in (0, 1)}
    chips = [item for item in page.attributes("a") if "chip" in item.get("class", "")]
    assert {item["href"] for item in chips} == {
        "papers/gr.html#gr_main_table", "papers/extra.html#extra_claims"
    }  # fmt: skip
    samples = [item for item in page.attributes("img") if item["src"].startswith("data:image/")]
    assert len(samples) == 4
    assert "GR scores & wins (Alpha)" in page.text
    assert all(item["alt"] for item in samples)
    # The list of methods is a page of its own.
    assert "Full labels" not in page.text.partition("Each claim in words")[2]


def test_front_page_without_its_exhibits_leads_to_what_there_is(config, monkeypatch):
    config["select"]["exhibits"] = ["gr_separation"]
    page = render(config, monkeypatch)["index.html"]
    assert page.attributes("svg") == []
    assert "Claims of the papers" not in page.text
    assert "Alpha, 2 seeds: not compared with published numbers here." in page.text
    pictures = [item["src"] for item in page.attributes("img")]
    assert "../exhibits/gr/separation.svg" in pictures
    assert "papers/gr.html#gr_separation" in {link["href"] for link in page.attributes("a")}


def test_colours_of_the_papers_are_those_of_the_figures(site):
    sheet = (SITE / "style.css").read_text()
    for paper, (colour, _) in style.OF_PAPERS.items():
        assert f"--{paper}: light-dark({colour.lower()}, " in sheet


def test_exhibits_that_are_not_selected_are_left_out(config, monkeypatch):
    config["select"]["exhibits"] = ["gr_main_table", "ll_memorisation_curve"]
    pages = render(config, monkeypatch)
    assert "Learning curves" not in pages["index.html"].text
    assert "papers/extra.html" not in pages


@pytest.mark.parametrize(
    ("key", "suffix"),
    [("gr_main_table", suffix) for suffix in (".csv", ".md", ".tex", ".caption.txt")]
    + [("gr_separation", suffix) for suffix in (".csv", ".png", ".svg", ".pdf", ".caption.txt")],
)
def test_exhibit_that_something_else_has_changed_is_named(config, monkeypatch, key, suffix):
    """A file that is but offered for download too; nothing of the report is written."""
    path = exhibit_path(key, suffix)
    path.write_bytes(path.read_bytes()[:-1] or b"more")
    with pytest.raises(UserError, match=f"{path} is not as it was written"):
        render(config, monkeypatch)
    assert not SITE.exists()


def test_report_without_runs(config, monkeypatch):
    """Class counts show no run, so there is neither a record nor a benchmark to read."""
    config["select"]["exhibits"] = ["gr_class_counts"]
    pages = render(config, monkeypatch)
    assert "Observed and missing positives per class" in pages["papers/gr.html"].text
    assert set(pages) == {
        "index.html", "methods.html", "provenance.html", "papers/gr.html", "datasets/alpha.html",
    }  # fmt: skip


def test_texts_are_escaped(site):
    html = (SITE / "papers/gr.html").read_text()
    assert "<b>AN" not in html
    assert "&lt;b&gt;AN" in html
    assert "<strong>88.1</strong>" in html


def test_methods_in_tables_link_to_their_pages_and_those_to_their_runs(site):
    links = [item["href"] for item in site["papers/gr.html"].attributes("a")]
    assert "../methods/gr.html" in links
    links = [item["href"] for item in site["methods/gr.html"].attributes("a")]
    for seed in (0, 1):
        folder = f"../../runs/alpha/demo/gr/seed{seed}"
        assert f"{folder}/" in links
        for name in ("run.json", "metrics.json", "history.jsonl", "predictions.npz"):
            assert f"{folder}/{name}" in links


def test_methods_of_one_title_are_told_apart(config, monkeypatch):
    config["methods"]["an_again"] = {"title": "AN", "loss": "an"}
    config["exhibits"]["ll_table"] = {"paper": "ll", "title": "Other", "methods": ["an_again"]}
    config["select"]["exhibits"].append("ll_table")
    for folder in ("results/runs/alpha/demo", "results/benchmarks/train/alpha/demo"):
        shutil.copytree(f"{folder}/an", f"{folder}/an_again")
    write_exhibits(config)
    pages = render(config, monkeypatch)
    assert "AN (an_again)" in pages["methods.html"].text
    assert "Other" in pages["methods/an_again.html"].text
    assert "Main comparison" not in pages["methods/an_again.html"].text
    assert "Main comparison" in pages["methods/an.html"].text
    for paper, method in (("gr", "an"), ("ll", "an_again")):
        links = {link["href"] for link in pages[f"papers/{paper}.html"].attributes("a")}
        assert f"../methods/{method}.html" in links
    assert "../methods/an_again.html" not in {
        link["href"] for link in pages["papers/gr.html"].attributes("a")
    }


def test_page_of_a_variant_quotes_its_grid(config, monkeypatch):
    config["methods"]["gr_beta_4"] = {"title": "GR, w_T = 4", "loss": "gr"}
    config["grids"] = {"gr_beta": {"gr_beta_4": {}}}
    config["select"]["methods"].append("gr_beta_4")
    for folder in ("results/runs/alpha/demo", "results/benchmarks/train/alpha/demo"):
        shutil.copytree(f"{folder}/gr", f"{folder}/gr_beta_4")
    write_exhibits(config)
    page = render(config, monkeypatch)["methods/gr_beta_4.html"]
    assert "grid: { hyperparameters.beta: { 1: [0, 1, -2, -2]" in page.text
    assert "# GR Loss: the defaults of the released code" in page.text  # of what that extends


def test_page_of_a_method_says_what_its_records_say(site):
    page = site["methods/gr.html"]
    maps = []
    for seed in (0, 1):
        metrics = json.loads((run_path("alpha", "demo", "gr", seed) / "metrics.json").read_text())
        maps.append(metrics["test"]["map"])
        assert f"{metrics['test']['map']:.2f}" in page.text
    mean = sum(maps) / 2
    deviation = (sum((value - mean) ** 2 for value in maps)) ** 0.5
    assert f"{mean:.1f} ± {deviation:.1f}" in page.text
    assert "0123456789ab with uncommitted changes" in page.text


def test_page_of_a_method_defines_it_and_quotes_where_its_settings_come_from(site):
    page = site["methods/gr.html"]
    assert "GR, the generalized robust loss" in page.text
    assert "workflow/spml/losses/gr.py" in page.text
    assert "# GR Loss: the defaults of the released code" in page.text
    assert re.search(r"linear_init 0 \(default\)", page.text)
    assert len(page.attributes("math")) >= 5
    # Its gradient in three epochs; of the learning curves two others and its own.
    assert len(page.attributes("polyline")) == 3 + 3
    assert "p = 0.50 Epoch 1 of 8 +0.250 Epoch 4 of 8 +0.125 Epoch 8 of 8 -0.250" in page.text


def test_page_of_a_method_says_where_no_curve_shows_its_gradient(site):
    assert "In all epochs +0.500" in site["methods/an.html"].text
    assert "No curve shows it" in site["methods/bce.html"].text


def test_numbers_in_tables_lead_to_the_runs_behind_them(site):
    for page in ("papers/gr.html", "datasets/alpha.html", "methods/gr.html"):
        links = [item for item in site[page].attributes("a") if item.get("class") == "runs"]
        assert {item["href"] for item in links} >= {"../methods/gr.html#runs-alpha-demo"}
    assert "Each number of ours leads to its runs." in site["papers/gr.html"].text
    anchors = {item.get("id") for item in site["methods/gr.html"].attributes("section")}
    assert "runs-alpha-demo" in anchors


def exhibit_of(runs, tables, titles):
    pages = {title: method_page(key) for key, title in titles.items()}
    places = {("a", "p"): ("A", "P"), ("a", "q"): ("A", "Q"), ("b", "p"): ("B", "P")}
    shown = [SimpleNamespace(method=method, place=place) for method, place in runs]
    return Exhibit("gr_x", "X", "", tables, None, {}, [], shown, pages, places)


def test_numbers_of_several_places_lead_to_the_one_that_title_and_heading_name():
    header = ["Method", "P: mAP (%)", "P: published", "Q: mAP (%)", "Seeds"]
    rows = [
        ["M", "1.0 ± 0.1", "2.0", "3.0", "3"],
        ["N", "–", "", "4.0", "1"],
        ["O", "5", "", "", ""],
    ]
    tables = [Table(header, rows, title) for title in ("A", "B, P", "")]
    runs = [("m", ("a", "p")), ("m", ("a", "q")), ("m", ("b", "p")), ("n", ("a", "q"))]
    exhibit = exhibit_of(runs, tables, {"m": "M", "n": "N", "o": "O"})
    found = [
        [[exhibit.runs_address(table, row, column) for column in range(1, 5)] for row in range(3)]
        for table in tables
    ]
    m, n = "methods/m.html#", "methods/n.html#"
    nothing = [""] * 4
    assert found == [
        [
            [f"{m}runs-a-p", "", f"{m}runs-a-q", f"{m}runs"],
            ["", "", *[f"{n}runs-a-q"] * 2],
            nothing,
        ],
        [[f"{m}runs-b-p", "", *[f"{m}runs-b-p"] * 2], ["", "", *[f"{n}runs-a-q"] * 2], nothing],
        [[f"{m}runs", "", f"{m}runs-a-q", f"{m}runs"], ["", "", *[f"{n}runs-a-q"] * 2], nothing],
    ]
    # Where one method alone is shown, rows are something else of its runs.
    alone = exhibit_of(runs[:1], [Table(["Labels", "Number"], [["All", "7"]])], {"m": "M"})
    assert alone.runs_address(alone.tables[0], 0, 1) == f"{m}runs-a-p"
    assert alone.leads_to_runs
    assert not exhibit_of([], tables, {"m": "M"}).leads_to_runs


def test_picture_is_shown_at_its_size(tmp_path):
    path = tmp_path / "x.svg"
    path.write_text(SVG)
    assert read_picture(path) == Picture(path, 125, 62)


def test_loss_is_described_by_its_file_and_what_it_shares():
    loss = definitions.read_loss("ll_r")
    assert loss.summary.startswith("LL-R, large loss rejection")
    assert len(loss.texts) == 2
    assert "K = ceil" in loss.texts[1]
    assert loss.mapping["l1"] == r"$-\log p$"
    assert definitions.read_loss("asl").defaults["margin"] == "0.05"


def test_helpers_beside_a_loss_are_not_described_in_its_place(tmp_path):
    text = Path(definitions.LOSSES / "asl.py").read_text(encoding="utf-8")
    helper = 'class Helper(dict):\n    """Helps."""\n\n    def __init__(self, *, size=1): ...\n'
    (tmp_path / "asl.py").write_text(f"{text}\n\n{helper}", encoding="utf-8")
    assert definitions.read_loss("asl", tmp_path) == definitions.read_loss("asl")


def test_entries_of_the_configuration_keep_their_comments(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "# Opening.\n\nmethods:\n  # About one.\n  one:\n    loss: an # inside\n"
        "    # still one\n    x: {a: 1}\n\n  # About two.\n  two: { loss: gr } # beside\n"
        "  three: { loss: an }\nselect: [one]\n"
    )
    entries = definitions.entries([str(path)], "methods")
    assert {name: entry.text for name, [entry] in entries.items()} == {
        "one": "# About one.\none:\n  loss: an # inside\n  # still one\n  x: {a: 1}",
        "two": "# About two.\ntwo: { loss: gr } # beside",
        "three": "three: { loss: an }",
    }
    assert definitions.opening_comment(str(path)) == "Opening."
    assert definitions.entries([str(path)], "datasets") == {}


def test_cost_is_that_of_the_benchmarks(site):
    text = site["provenance.html"].text
    # Two seeds a method: 10 and 11 s, 8 and 9 s of the processor, 600 and 601 MB.
    assert "Full labels 2 10.5 8.5 21.0 601 AN 2" in text
    assert "GPU" not in text
    assert "6 runs, 1 min 03 s together" in text


def test_cost_shows_memory_of_a_gpu_where_there_was_one(config, monkeypatch):
    path = run_path("alpha", "demo", "gr", 1) / "run.json"
    path.write_text(
        path.read_text().replace('"peak_device_memory_mb": 0', '"peak_device_memory_mb": 77')
    )
    text = render(config, monkeypatch)["provenance.html"].text
    assert "Peak GPU memory (MB)" in text
    assert "GR_1 <x> 2 10.5 8.5 21.0 601 77" in text


def test_provenance_counts_the_runs(site):
    text = site["provenance.html"].text
    assert "0123456789ab (3 runs)" in text
    assert "0123456789ab with uncommitted changes (3 runs)" in text
    assert "python 3.12.1, torch 2.11.0 (6 runs)" in text
    assert "matplotlib " in text
    assert "single_positive" in text


def test_search_knows_pages_methods_and_exhibits(site, config):
    script = (SITE / "search.js").read_text(encoding="utf-8")
    entries = json.loads(script.removeprefix("window.searchIndex = ").rstrip(";\n"))
    addresses = {entry["address"] for entry in entries}
    assert {"methods/gr.html", "datasets/alpha.html", "papers/ll.html"} <= addresses
    assert {f"papers/{key.split('_')[0]}.html#{key}" for key in config["select"]["exhibits"]} <= (
        addresses
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [("94.5 ± 0.3", "94.5"), ("−2.0", "-2.0"), ("+6.1", "6.1"), ("−1.5 to +2.0", "-1.5"),
     ("1,234", "1234"), ("AN-LS", "an-ls"), ("–", "–"), ("3", "3")],
)  # fmt: skip
def test_cells_sort_by_their_first_number(text, key):
    assert cells.sort_key(text) == key


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (245, "4 min 05 s"), (11220, "3 h 07 min")]
)
def test_durations_in_words(seconds, text):
    assert texts.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), ([0, 2.5], "0, 2.5"), (1e-05, "1e-05"), ("adam", "adam"),
     ({"epochs": 25, "rate": 0.1}, "epochs: 25; rate: 0.1")],
)  # fmt: skip
def test_settings_as_text(value, text):
    assert format_value(value) == text


def test_rows_of_a_method_keep_their_marks():
    table = Table(
        ["M", "a"], [["x", "1"], ["y", "2"], ["x", "3"]], "T", {(2, 1): BEST, (1, 1): "second"}
    )
    assert rows_of(table, "x") == Table(["M", "a"], [["x", "1"], ["x", "3"]], "T", {(1, 1): BEST})
    assert rows_of(table, "z") is None


def places(line):
    return [tuple(map(float, point.split(","))) for point in line.points.split()]


def test_curves_of_runs_that_stopped_at_different_epochs():
    drawing = curves.draw("M", [[10.0, 20.0, 30.0], [20.0, 40.0]], [[15.0, 15.0, 15.0]])
    other, own = drawing.lines
    points = places(own)
    assert len(points) == 3
    assert points[0][0] == curves.LEFT
    assert points[2][0] == curves.WIDTH - curves.RIGHT
    assert points[1][1] == points[2][1]  # mean 30 after the second epoch and after the third
    assert len(drawing.band.split()) == 6
    assert own.readings == [
        "15.0 % (10.0 to 20.0)", "30.0 % (20.0 to 40.0)", "30.0 % (30.0 to 30.0)"
    ]  # fmt: skip
    assert drawing.steps == ["Epoch 1", "Epoch 2", "Epoch 3"]
    assert (other.look, other.readings, own.look) == (None, (), 0)
    assert "from 15.0 % after the first epoch to 30.0 % after the last of 3" in drawing.description


def test_curve_of_one_run_of_one_epoch_has_no_band():
    drawing = curves.draw("M", [[50.0]], [])
    assert drawing.band == ""
    assert len(places(drawing.lines[0])) == 1
    assert drawing.lines[0].readings == ["50.0 %"]


def test_curves_together_show_what_is_chosen_whole_and_cut_off_what_failed():
    runs = {f"M{number}": [[60.0, 70.0 + number]] for number in range(19)}
    drawing = curves.draw_together({**runs, "low": [[1.0, 2.0]]}, ["M3", "M1"], "Alpha")
    looks = {line.name: line.look for line in drawing.lines}
    assert {name: look for name, look in looks.items() if look is not None} == {"M3": 0, "M1": 1}
    for line in drawing.lines:
        inside = [y <= curves.HEIGHT - curves.BOTTOM for _, y in places(line)]
        assert all(inside) == (line.name != "low")
    assert drawing.lines[2].readings == ["60.0 %", "72.0 %"]
    chosen = curves.draw_together({**runs, "low": [[1.0, 2.0]]}, ["low"], "Alpha")
    assert all(y <= curves.HEIGHT - curves.BOTTOM for _, y in places(chosen.lines[-1]))


def test_gradients_are_drawn_around_zero():
    drawing = curves.draw_gradient({"Epoch 1": ([0.0, 0.5, 1.0], [-1.0, 0.0, 2.0])})
    zero = next(tick.place for tick in drawing.up if tick.text == "0")
    (left, low), (_, middle), (right, high) = places(drawing.lines[0])
    assert (left, right) == (curves.LEFT, curves.WIDTH - curves.RIGHT)
    assert middle == zero
    assert (low - zero) * 2 == pytest.approx(zero - high, abs=0.3)
    assert drawing.lines[0].readings == ["-1.000", "+0.000", "+2.000"]
    assert curves.draw_gradient({"Epoch 1": ([0.5], [0.0])}).up  # nothing but zero


def test_text_of_a_docstring_keeps_the_lines_of_formulas():
    text = "One\ntwo.\n\n    s = 1: -log p\n      more\n\nalpha  at least 0\nb      above 0\n"
    assert texts.paragraphs(text) == [
        ("prose", "One two."),
        ("lines", "s = 1: -log p\n  more"),
        ("lines", "alpha  at least 0\nb      above 0"),
    ]
    assert texts.with_code("as `gr` & ``x``") == "as <code>gr</code> &amp; <code>x</code>"


def large_configuration():
    """45 methods and 30 exhibits, half of them tables."""
    config = configuration(datasets=("alpha", "beta"))
    for number in range(42):
        name = f"method{number}"
        config["methods"][name] = {"title": f"Method number {number}", "loss": "an"}
    config["select"]["methods"] = list(config["methods"])
    for number in range(24):
        key = f"extra_{'table' if number % 2 else 'figure'}_{number}"
        config["exhibits"][key] = {"paper": "extra", "title": key, "methods": "selected"}
        config["select"]["exhibits"].append(key)
    return config


def test_large_site_is_written_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = large_configuration()
    write_results(config)
    write_gradients(config)
    write_exhibits(config)
    write_pictures(config)
    for path in Path("results/runs").glob("*/*/method*/*/run.json"):
        path.write_text(re.sub('"loss": "method.*"', '"loss": "an"', path.read_text()))
    assert len(render(config, monkeypatch)) == 45 + 2 + 3 + 3


def test_settings_fit_on_a_command_line():
    config = large_configuration()
    for number in range(150):
        config["methods"][f"variant{number}"] = {"title": f"Variant number {number}", "loss": "an"}
    config["select"]["methods"] = list(config["methods"])
    assert len(json.dumps(settings_of(config))) < 60_000


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hyperparameters", {"q3": 1.5}, r"hyperparameters\.q3 = nothing, .* says 1\.5: "),
        ("training", {"epochs": 9}, r"training\.epochs = 3, but the configuration says 9: "),
        ("loss", "an", r'loss = "gr", but the configuration says "an": '),
    ],
)
def test_runs_of_other_settings_are_refused(config, monkeypatch, key, value, message):
    config["methods"]["gr"][key] = value
    with pytest.raises(
        UserError, match=rf"\Aresults/runs/alpha/demo/gr/seed0 was made with {message}"
    ):
        render(config, monkeypatch)
    assert not SITE.exists()


def test_runs_of_a_version_that_did_not_record_threads_are_shown(config, monkeypatch):
    for path in Path("results/runs").glob("*/*/*/*/run.json"):
        record = json.loads(path.read_text())
        assert record["settings"]["training"].pop("threads") == 1
        path.write_text(json.dumps(record))
    assert render(config, monkeypatch)


def test_formulas_become_mathml_and_the_rest_is_escaped():
    html = cells.with_formulas(Formulas(r"$\beta$ if <odd>, else $p^2$"))
    assert html.count("<math") == 2
    symbols = cells.with_formulas(Formulas("$L_2$ of $p$, $0$"))
    assert symbols == "<i>L</i><sub>2</sub> of <i>p</i>, 0"
    assert "<script" not in cells.with_formulas(Formulas(r"$\text{<script>}$"))
    assert "&#x003B2;" in html or "β" in html
    assert "<msup><mi>p</mi><mn>2</mn></msup>" in html
    assert " if &lt;odd&gt;, else " in html
    logs = cells.with_formulas(Formulas(r"$-p^2\log p_m\log(p)$"))
    assert re.sub("<mspace[^>]*>", " ", logs).count(" <mi>log</mi>") == 2
    assert re.sub("<mspace[^>]*>", " ", logs).count("<mi>log</mi> <msub>") == 1
    assert cells.with_formulas("<$5> to $10") == "&lt;$5&gt; to $10"


def test_method_whose_scores_were_made_elsewhere_has_a_page_without_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(seeds=(0, 1))
    config["methods"]["bce"] = {"title": "Ours", "scores": "mine/{seed}.npz"}
    write_results(config)
    write_gradients(config)
    write_exhibits(config)
    write_pictures(config)
    pages = render(config, monkeypatch)
    page = pages["methods/bce.html"]
    assert "Ours †" in page.text
    assert "Its scores were made elsewhere" in page.text
    assert "not trained here" in page.text
    assert "Learning curves" not in page.text
    assert "no hyperparameters" not in page.text
    assert "Learning curves" in pages["methods/an.html"].text
    left = [item for item in report_settings(config)["exhibits"] if "left_out" in item]
    assert {item["key"] for item in left} == {"extra_learning_curves"}
