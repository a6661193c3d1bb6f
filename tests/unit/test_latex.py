"""Tables of every shape, typeset."""

import re

import pytest
from latex import COLUMNS, complaints, text_sizes, typeset
from spml.exhibits.latex import LINES_PER_PAGE, format_latex
from spml.exhibits.markdown import BEST, SECOND, Formulas, Table

CLAIM = "The mean of the paper lies within the interval of ours, which it need not do, at all."


def tables_of_every_shape() -> dict[str, list[Table]]:
    header = ["Method", *(f"Dataset number {number}" for number in range(12))]
    row = ["A method", *("88.1 ± 0.4" for _ in header[1:])]
    long = ["Method", "mAP (%)"]
    loss = Formulas(r"$-(1-p_m)^\gamma\log p_m,\ p_m=\sigma(z-m)$")
    changes = Formulas(r"$\sigma_0 = 10^{9}$ instead of 2, $\sigma_T = 10^{9}$ instead of 0.5")
    facts = ["Method", "What differs", "mAP (%)", "Difference to GR Loss", "95 % interval"]
    return {
        "narrow": [Table(long, [["AN", "1.0 ± 0.1"]])],
        "wide": [Table(header, [row] * 3, marks={(0, 1): BEST, (1, 7): SECOND})],
        "long": [Table(long, [["AN", "1.0"]] * rows, f"Block of {rows}") for rows in (17, 17, 17, 90)],
        "claims": [
            Table(["Claim", "Verdict", "Text", "Where"], [["1", "supported", CLAIM, "GR"],
                  ["2", "not run", CLAIM * 3, "LL"]] * 9, CLAIM * 2)
        ],
        "formulas": [Table(["Loss", "$v$", "$L_1$", "$L_2$"], [["Hill", loss, loss, loss]])],
        "changes": [Table(facts, [["GR without v", changes, "88.1 ± 0.4", "+0.4", "−1.0 to +1.8"]])],
        "words": [Table(["Method", "Title"], [["A method of a long name " * 4, "1.0"]], CLAIM)],
    }  # fmt: skip


@pytest.mark.parametrize("columns", COLUMNS)
def test_every_shape_fits_its_page_and_is_as_large_as_any_other(tmp_path, columns):
    """In one column and in two: nothing sticks out, and all text is in 8 points, captions in 10."""
    texts = {
        name: format_latex(tables, "A caption.", name)
        for name, tables in tables_of_every_shape().items()
    }
    log = typeset(texts.values(), tmp_path, columns)
    assert complaints(log) == []
    assert "Overfull" not in log
    sizes = text_sizes(tmp_path)
    text = [size for font, size in sizes.items() if not font.startswith("CM")]
    assert {round(size) for size in text} == {8, 10}
    # What is above or below in a formula.
    assert min(size for font, size in sizes.items() if font.startswith("CM")) > 5.9
    assert r"\begin{table*}" not in texts["narrow"] + texts["long"]
    assert r"\begin{table}" not in texts["claims"] + texts["changes"]


def test_what_has_too_many_columns_or_rows_goes_on_in_another_table():
    tables = tables_of_every_shape()
    long = format_latex(tables["long"], "A long one.", "long")
    assert long.count(r"\begin{table}") == 5
    assert long.count(r"Table~\ref{tab:long}, continued.") == 4
    wide = format_latex(tables["wide"], "A wide one.", "wide")
    parts = wide.split(r"\begin{tabular}")[1:]
    headers = [re.findall(r"number (\d+)", part) for part in parts]
    assert [int(number) for part in headers for number in part] == list(range(12))
    assert max(map(len, headers)) - min(map(len, headers)) <= 1  # as even as can be
    assert all(part.count("A method & ") == 3 for part in parts)  # each says whose row it is
    # The marks stand where their cells do.
    [best], [second] = re.findall(r".*textbf.*", wide), re.findall(r".*underline.*", wide)
    assert best.split(" & ")[1].startswith(r"\textbf{88.1")
    where = next(place for place, part in enumerate(headers) if "6" in part)
    assert second in parts[where]
    assert second.split(" & ")[1 + headers[where].index("6")].startswith(r"\underline{88.1")


def test_every_character_of_captions_and_cells_is_typeset(tmp_path):
    text = r"100 % of a_b & {c} #1 ~ ^ \ < > | ± − – × ≥ ≤ ≈ → ∞ αβγδεζηθικλμνξπρστφχψω Δ é"
    table = Table(["M", "$L_1$"], [[text, r"$\frac{1}{C-1}$ and _"]], "Title & more")
    assert complaints(typeset([format_latex([table], text, "text")], tmp_path)) == []


def test_cut_tables_keep_their_marks():
    rows = [[f"m{number}", str(number)] for number in range(LINES_PER_PAGE + 1)]
    text = format_latex([Table(["M", "a"], rows, marks={(LINES_PER_PAGE, 1): BEST})], "C", "t")
    assert rf"\textbf{{{LINES_PER_PAGE}}}" in text
    assert r"Table~\ref{tab:t}, continued." in text
