"""What a finished checkout holds for people: LaTeX tables, and Snakemake's own report."""

import hashlib
import html
import json
import re
import zipfile

import latex
import pytest
import yaml
from latex import COLUMNS, complaints, typeset
from printed import page_inches, text_sizes
from spml.exhibits.style import COLUMN_WIDTH, SMALL, TEXT_WIDTH


def selected_exhibits(checkout) -> list[str]:
    return yaml.safe_load((checkout.path / "config/config.yaml").read_text())["select"]["exhibits"]


@pytest.mark.parametrize("columns", COLUMNS)
def test_every_latex_table_is_typeset_in_one_document(finished, tmp_path, columns):
    paths = sorted(finished.path.glob("results/exhibits/*/*.tex"))
    assert len(paths) >= 3
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert complaints(typeset(texts, tmp_path, columns)) == []
    sizes = latex.text_sizes(tmp_path)
    assert min(size for font, size in sizes.items() if not font.startswith("CM")) > 7.9


def test_every_figure_is_legible_at_the_width_of_a_column_or_two(finished):
    paths = sorted(finished.path.glob("results/exhibits/*/*.pdf"))
    assert len(paths) >= 10
    for path in paths:
        width, height = page_inches(path)
        assert round(width, 2) in (COLUMN_WIDTH, TEXT_WIDTH), path
        assert height < 9, path
        assert min(text_sizes(path)) >= SMALL, path
    # Nothing that a figure is drawn with has anything to say of it.
    logs = finished.path.glob("results/logs/exhibits/*.log")
    assert not [path for path in logs if "Warning" in path.read_text()]


def test_snakemake_shows_every_exhibit_as_a_page_with_its_whole_caption(checkout):
    checkout.ask("--report", "report.zip")
    with zipfile.ZipFile(checkout.path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        packed = {name: archive.read(name) for name in archive.namelist()}
    shown, categories = (
        json.loads(re.search(rf"\b{name} = (\{{.*\}});", page)[1])
        for name in ("results", "categories")
    )
    sorted_files = {
        path for group in categories.values() for files in group.values() for path in files
    }
    definitions = yaml.safe_load((checkout.path / "config/exhibits.yaml").read_text())["exhibits"]
    for exhibit in selected_exhibits(checkout):
        paper, _, name = exhibit.partition("_")
        [path] = [path for path in shown if path.startswith(f"results/exhibits/{paper}/{name}.")]
        assert path in sorted_files
        assert definitions[exhibit]["title"] in shown[path]["caption"]
        assert "results/" not in shown[path]["caption"]
        assert shown[path]["labels"]["form"] in ("table", "figure")
        assert shown[path]["mime_type"] == "text/html"
        caption = (checkout.path / path).with_suffix(".caption.txt").read_text(encoding="utf-8")
        text = packed[f"report/{shown[path]['data_uri']}"].decode()
        assert caption.strip() in html.unescape(text)
        assert not re.search(r'(src|href)="(?!data:)', text)
    assert "Other" not in categories


def test_checksums_are_right_and_leave_out_no_file(finished):
    results = finished.path / "results"
    found = [*results.glob("exhibits/*/*.sha256"), *results.glob("tables/*/*.sha256")]
    found += [*results.glob("comparisons/**/*.sha256"), *results.glob("losses/*.sha256")]
    vouched_for = set()
    for path in found:
        for line in path.read_text().splitlines():
            checksum, name = line.split("  ")
            data = path.with_name(name)
            assert checksum == hashlib.sha256(data.read_bytes()).hexdigest()
            vouched_for.add(data)
    folders = ("exhibits", "tables", "comparisons", "losses")
    there = {path for folder in folders for path in (results / folder).glob("**/*.*")}
    assert vouched_for | {*found} == there
