"""Titles and class names that a formula, a table or a font would choke on, through real exhibits."""

import importlib
import json

import finished_runs
import matplotlib.font_manager
import pandas as pd
import pytest
from finished_runs import configuration, write_comparisons, write_results
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from latex import complaints, typeset
from matplotlib.text import Text
from spml import collect
from spml.exhibits.fonts import find_families
from spml.exhibits.latex import format_latex
from spml.exhibits.markdown import BEST, SECOND, Formulas, Table, format_tables, parse_tables
from spml.exhibits.style import PowersOfTen, style_context
from spml.planning.configuration import compact_json
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import exhibit_path, table_path

PRICE, DOLLARS, BRACES = "$5 to $10", "$$", r"a^{_\frac | 100% #1 & ~"
# A bracket and a star would be arguments of the end of the line before them in LaTeX.
TITLES = (r"[*x] $\infty$", r"*\| `b` \ $5", "**bold** <ins>--</ins> ''?`")
ROSE = "\N{CJK UNIFIED IDEOGRAPH-73AB}"


def make(key, config, monkeypatch):
    """Run the command of an exhibit; return its settings and its module."""
    settings = json.loads(compact_json(exhibit_settings(config, key)))
    module = importlib.import_module(f"spml.exhibits.{key}")
    directory = exhibit_path(key, "").parent
    arguments = ["x", "--settings", json.dumps(settings), "--output-directory", str(directory)]
    monkeypatch.setattr("sys.argv", arguments)
    module.main()
    return settings, module


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finished_runs, "CLASSES", (PRICE, DOLLARS, BRACES))
    config = configuration(datasets=("alpha", "beta"), seeds=(0,))
    for definition, title in zip(config["methods"].values(), TITLES, strict=True):
        definition["title"] = title
    config["datasets"]["alpha"]["title"] = config["protocols"]["demo"]["title"] = PRICE
    write_results(config)
    return config


@pytest.mark.parametrize(
    "key",
    ["gr_class_counts", "gr_separation", "gr_false_negative_rate", "extra_learning_curves"],
)
def test_figures_write_names_as_they_are(config, monkeypatch, key):
    settings, module = make(key, config, monkeypatch)
    with style_context():
        figure = module.draw(module.tabulate(settings), settings)
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(Text) if text.get_text()]
    # What matplotlib would set as a formula, the ticks of a logarithmic axis included.
    assert not [text.get_text() for text in texts if text.get_parse_math()]
    written = " ".join(text.get_text() for text in texts)
    assert "mathdefault" not in written
    shown = {"gr_class_counts": (PRICE, DOLLARS, BRACES), "gr_false_negative_rate": TITLES[2:]}
    for name in shown.get(key, TITLES[1:]):
        assert name in written


def test_tables_write_names_as_they_are(config, monkeypatch, tmp_path):
    settings = compact_json(exhibit_settings(config, "gr_main_table"))
    path = str(table_path("gr", "main_table"))
    monkeypatch.setattr("sys.argv", ["x", "--settings", settings, "--output", path])
    collect.main()
    write_comparisons(config, "gr_main_table")
    make("gr_main_table", config, monkeypatch)
    [table, *_] = parse_tables(exhibit_path("gr_main_table", ".md").read_text())
    assert {row[0] for row in table.rows} >= set(TITLES)
    assert not [cell for row in table.rows for cell in row if isinstance(cell, Formulas)]
    text = exhibit_path("gr_main_table", ".tex").read_text()
    assert r"\$5 to \$10" in text
    assert complaints(typeset([text], tmp_path)) == []


def test_every_cell_is_read_back_from_markdown_as_it_was():
    formula = Formulas(r"$\{p | q\}^*$ or \ *")
    rows = [
        [TITLES[0], formula, "1"],
        [TITLES[1], BRACES, ""],
        [TITLES[2], "<ins>2</ins>", "**3**"],
        ["\\", "\\\\|\\", "$"],
    ]
    marks = {(0, 1): BEST, (1, 1): SECOND, (3, 2): BEST}
    tables = [Table(["#1 | $", PRICE, DOLLARS], rows, "# *a* $5 | $6", marks)] * 2
    read = parse_tables(format_tables(tables))
    assert read == tables
    assert isinstance(read[0].rows[0][1], Formulas)
    cells = [cell for row in read[1].rows for cell in (*row, *read[1].header)]
    assert sum(isinstance(cell, Formulas) for cell in cells) == 1


def test_latex_has_every_name_and_says_what_pdflatex_has_not(tmp_path):
    table = Table(
        ["[h]", PRICE], [[title, BRACES] for title in (*TITLES, "e\u0301", "--")], DOLLARS
    )
    text = format_latex([table], PRICE, "hostile")
    assert complaints(typeset([text], tmp_path)) == []
    assert "XeLaTeX" not in text
    foreign = format_latex([Table(["a"], [[f"{ROSE} {ROSE} β é"]])], "C", "t")
    assert f"% and XeLaTeX or LuaLaTeX with a font that has {ROSE}\n" in foreign


def test_ticks_of_a_logarithmic_axis_are_text():
    ticks = PowersOfTen()
    assert [ticks(x) for x in (0.01, 1.0, 1e12)] == ["10⁻²", "10⁰", "10¹²"]
    assert ticks(2000.0) == "2 × 10³"
    assert ticks(-0.05) == "-5 × 10⁻²"


# --------------------------------------------------------------------------------------------------
# Letters that the usual font lacks
# --------------------------------------------------------------------------------------------------


def write_font(path, family, letters):
    """A font whose letters are squares."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(point)
    pen.closePath()
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWeightClass=400)
    font.setupPost()
    font.save(path)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder of fonts: what lies there is all that is installed."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    find = matplotlib.font_manager.findSystemFonts
    monkeypatch.setattr(matplotlib.font_manager, "findSystemFonts", lambda: find(str(folder)))
    entries = matplotlib.font_manager.fontManager.ttflist
    before = list(entries)
    yield folder
    entries[:] = before
    matplotlib.font_manager.fontManager._findfont_cached.cache_clear()


def test_fonts_are_chosen_by_the_letters_that_they_have(installed):
    write_font(installed / "a.ttf", "First Test", "玫瑰")
    write_font(installed / "b.ttf", "Second Test", "玫瑰花が")
    write_font(installed / "c.ttf", "Third Test", "꽃")
    (installed / "d.ttf").write_bytes(b"no font")
    assert find_families("Rosé β") == (["DejaVu Sans"], set())
    families, missing = find_families("a玫瑰花が꽃\N{LINEAR B SYLLABLE B008 A}")
    assert families == ["DejaVu Sans", "Second Test", "Third Test"]
    assert missing == {"\N{LINEAR B SYLLABLE B008 A}"}


@pytest.mark.parametrize("has_font", [True, False])
def test_figure_uses_them_or_says_what_is_missing(
    installed, monkeypatch, capsys, recwarn, has_font
):
    monkeypatch.chdir(installed.parent)
    monkeypatch.setattr(finished_runs, "CLASSES", (ROSE, "b", "c"))
    config = configuration(methods=("an",), seeds=(0,))
    write_results(config)
    if has_font:
        write_font(installed / "rose.ttf", "Rose Test", ROSE)
    make("gr_class_counts", config, monkeypatch)
    caption = exhibit_path("gr_class_counts", ".caption.txt").read_text()
    said = f"Boxes stand for letters that no font has on the machine that drew the figure: {ROSE};"
    boxes = [warning for warning in recwarn if "missing from" in str(warning.message)]
    assert (said in caption) == (said in capsys.readouterr().err) == (not has_font)
    assert bool(boxes) == (not has_font)
    assert ROSE in set(pd.read_csv(exhibit_path("gr_class_counts", ".csv"))["class_name"])
