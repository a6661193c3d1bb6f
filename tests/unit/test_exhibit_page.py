"""The page of an exhibit, read back as a browser would."""

import base64
import re
from html.parser import HTMLParser

from spml.exhibits.markdown import BEST, SECOND, Formulas, Table
from spml.exhibits.page import format_picture, format_table, write_page


class Reader(HTMLParser):
    """Cells of the rows, the texts of other elements, and what has been loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.texts: dict[str, str] = {}
        self.loaded: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for key, value in attributes if key in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data
        elif self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data


def test_table_has_its_cells_as_they_are_and_its_marks():
    rows = [["<b>A</b> & $5", "1.0 ± 0.1", "x|y"], ["B", "2.0", "–"], ["C", "−3.0", "z"]]
    table = Table(["M", "mAP", "Note"], rows, "On <Digits>", {(1, 1): BEST, (0, 1): SECOND})
    html = format_table(table)
    reader = Reader(html)
    assert reader.rows == [["M", "mAP", "Note"], *rows]
    assert reader.texts["caption"] == "On <Digits>"
    assert re.findall(r"<strong>(.*?)</strong>", html) == ["2.0"]
    assert re.findall(r"<u>(.*?)</u>", html) == ["1.0 ± 0.1"]
    assert html.count('<th scope="row" class="text">') == 3
    assert html.count('<td class="text">') == 3  # words to the left, numbers not


def test_formulas_are_mathml():
    html = format_table(Table(["M", "k"], [["GR", Formulas(r"$\frac{p}{2}$, fixed")]]))
    assert "<mfrac>" in html
    assert ", fixed" in html
    assert "$" not in html


def test_page_stands_alone(tmp_path):
    picture = b"\x89PNG any bytes"
    (tmp_path / "figure.png").write_bytes(picture)
    content = [format_picture(tmp_path / "figure.png", 'A "figure"')]
    write_page(content, "GR < LL", "Of 3\n runs & <one>.", tmp_path / "figure")
    reader = Reader((tmp_path / "figure.html").read_text(encoding="utf-8"))
    assert reader.texts["title"] == reader.texts["h1"] == "GR < LL"
    assert reader.texts["p"] == "Of 3 runs & <one>."
    [address] = reader.loaded
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == picture
