"""Tables of every shape, typeset."""

import re

from latex import complaints, typeset
from spml.exhibits.markdown import BEST, SECOND, Table
from spml.exhibits.tables import ROWS_PER_PAGE, format_latex


def pages(folder) -> int:
    return int(re.search(r"\((\d+) pages?", (folder / "tables.log").read_text())[1])


def test_wide_and_long_tables_fit_on_their_pages(tmp_path):
    header = ["Method", *(f"Dataset number {number}" for number in range(12))]
    row = ["A method", *("88.1 ± 0.4" for _ in header[1:])]
    wide = Table(header, [row] * 3, marks={(0, 1): BEST, (1, 2): SECOND})
    narrow = ["Method", "mAP (%)"]
    long = [Table(narrow, [["AN", "1.0"]] * rows, f"Block of {rows}") for rows in (17, 17, 17, 90)]
    claim = "The mean of the paper lies within the interval of ours, which it need not do, at all."
    claims = Table(["Claim", "Text", "Where"], [["1", claim, "GR"], ["2", claim * 3, "LL"]])
    texts = [
        format_latex([wide], "A caption.", "wide"),
        format_latex(long, "A long one.", "long"),
        format_latex([claims], "Claims.", "claims"),
    ]
    assert complaints(typeset(texts, tmp_path)) == []
    assert texts[1].count(r"\begin{table}") == 5
    assert texts[0].count(r"\begin{table}") == texts[2].count(r"\begin{table}") == 1
    assert pages(tmp_path) == 7


def test_every_character_of_captions_and_cells_is_typeset(tmp_path):
    text = r"100 % of a_b & {c} #1 ~ ^ \ < > | ± − – × ≥ ≤ ≈ → ∞ αβγδεζηθικλμνξπρστφχψω Δ é"
    table = Table(["M", "$L_1$"], [[text, r"$\frac{1}{C-1}$ and _"]], "Title & more")
    assert complaints(typeset([format_latex([table], text, "text")], tmp_path)) == []


def test_cut_tables_keep_their_marks():
    rows = [[f"m{number}", str(number)] for number in range(ROWS_PER_PAGE + 1)]
    text = format_latex([Table(["M", "a"], rows, marks={(ROWS_PER_PAGE, 1): BEST})], "C", "t")
    assert rf"\textbf{{{ROWS_PER_PAGE}}}" in text
    assert r"Table~\ref{tab:t}, continued." in text
