"""Formulas of the losses' files as MathML: nothing lost, nothing added, and what is no formula left."""

import re
from xml.etree import ElementTree

import pytest
from spml.report import definitions, texts
from spml.report.formulas import typeset

LOSSES = sorted(
    path.stem
    for path in definitions.LOSSES.glob("[a-z]*.py")
    if path.stem not in ("arguments", "base", "framework")
)
NAMES = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "λ": "lam", "μ": "mu", "σ": "sigma",
    "τ": "tau",
}  # fmt: skip


def tree(formula):
    return ElementTree.fromstring(str(formula))


def outline(element):
    """An element as nested lists, without rows that hold one thing and without space."""
    if element.tag in ("mi", "mn", "mo", "mtext"):
        return (element.text or "").strip("\N{NO-BREAK SPACE}")
    inside = [outline(child) for child in element if child.tag != "mspace"]
    if element.tag in ("math", "mrow"):
        return inside[0] if len(inside) == 1 else inside
    return [element.tag, *inside]


def only(text, **options):
    (row,) = typeset(text, **options)
    return outline(tree(row.formula))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-log p", ["−", ["log", "p"]]),
        ("-log(1 - p) / (C - 1)", ["−", ["mfrac", ["log", "(", ["1", "−", "p"], ")"], ["C", "−", "1"]]]),
        ("(1 - p)^gamma_pos", ["msup", ["(", ["1", "−", "p"], ")"], ["msub", "γ", "pos"]]),
        ("v * [ k * L2(p) ]", ["v", "·", ["[", ["k", "·", [["msub", "L", "2"], "(", "p", ")"]], "]"]]),
        ("(p - mu)^2 / (2 sigma^2)",
         ["mfrac", ["msup", ["(", ["p", "−", "μ"], ")"], "2"], ["2", ["msup", "σ", "2"]]]),
        ("w = w0 + wT", ["w", "=", ["msub", "w", "0"], "+", ["msub", "w", "T"]]),
        ("ceil(B * C) from the second epoch on", [["⌈", ["B", "·", "C"], "⌉"], "from the second epoch on"]),
        ("mean over classes with a positive of log q",
         ["mean over classes with a positive of", ["log", "q"]]),
        ("dL/dk = v", [["mfrac", ["d", "L"], ["d", "k"]], "=", "v"]),
        ("B x C", ["B", "×", "C"]),
    ],
)  # fmt: skip
def test_formula_reads_as_it_is_meant(text, expected):
    assert only(text) == expected


def test_hyperparameters_are_names_and_no_words():
    assert only("weight * p", parameters=["weight"]) == ["weight", "·", "p"]
    (row,) = typeset("(1 - smoothing) * p", ["smoothing"])
    assert '<mtext class="parameter">smoothing</mtext>' in row.formula


def test_lines_have_a_case_a_formula_and_a_remark():
    rows = typeset(
        "s = 0 or -1: alpha * H(p)     with H(p) = p\n"
        "s = 0, t >= n\n"
        "       and p > tau      : p       + p\n"
        "plus           p^2\n"
        "k = p,   limited to 0..1"
    )
    shown = [[outline(tree(part)) if part else "" for part in row] for row in rows]
    assert shown == [
        [["s", "=", "0", "or", "−", "1"], ["α", "·", ["H", "(", "p", ")"]],
         ["with", ["H", "(", "p", ")"], "=", "p"]],
        [["s", "=", "0", ",", "t", "≥", "n", "and", "p", ">", "τ"], ["p", "+", "p"], ""],
        ["plus", ["msup", "p", "2"], ""],
        ["", ["k", "=", "p"], ["limited to", "0", "…", "1"]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "negative      1: unannotated count\nignore        0 elsewhere",
        "p (",
        "p )",
        "a ^",
        "/ 2",
        "x := 1 % 2",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text):
    assert typeset(text) == []


def test_texts_are_escaped():
    (row,) = typeset("p < q `<b>`")
    assert "<b>" not in row.formula
    assert "&lt;" in row.formula


def test_formulas_of_all_losses_are_set_and_lose_no_name_and_no_number():
    found = 0
    for name in LOSSES:
        loss = definitions.read_loss(name)
        for text in loss.texts:
            for kind, block in texts.paragraphs(text):
                if kind != "lines" or block.startswith("negative  "):  # the modes of P-ASL
                    continue
                rows = typeset(block, loss.defaults)
                assert rows, (name, block)
                shown = " ".join(
                    word for row in rows for part in row if part for word in tree(part).itertext()
                )
                for letter, word in NAMES.items():
                    shown = shown.replace(letter, word)
                # Of what is written, brackets and signs replace these, and nothing else.
                written = re.sub(r"\b(ceil|floor|x)\b", "", block)
                assert re.sub(r"[^A-Za-z0-9]", "", shown) == re.sub(r"[^A-Za-z0-9]", "", written)
                found += 1
    assert found > 40
