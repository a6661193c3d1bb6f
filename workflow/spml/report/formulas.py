"""Formulas as the losses' files write them, in plain text, set as MathML.

A formula is a line such as ``s = 0: -alpha * H(p)     with H(p) = -p log p``: perhaps a case before
a colon, then an expression, then perhaps a remark after a wide gap. An indented line goes on with
the one before. What does not read as such stays as it is written.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import markupsafe

from spml.exhibits.cells import SPACE

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "lam": "λ",
    "mu": "μ",
    "sigma": "σ",
    "tau": "τ",
}
FUNCTIONS = {"log", "exp", "max", "min", "sg", "sigmoid", "softplus", "ceil", "floor"}
BRACKETS = {"ceil": ("⌈", "⌉"), "floor": ("⌊", "⌋")}
OPERATORS = {"*": "·", "<-": "←", ">=": "≥", "<=": "≤", "-": "−", "x": "×", "..": "…"}
GAP = "\N{NO-BREAK SPACE}"
CLOSING = {"(": ")", "[": "]"}
TOKEN = re.compile(
    r"\s*(?:(?P<derivative>d[A-Z]/d[a-z])\b|(?P<number>\d+(?:\.\d+)?)|"
    r"(?P<name>[A-Za-z](?:[\w'-]*\w)?)|(?P<code>`[^`]+`)|"
    r"(?P<operator><-|>=|<=|\.\.|[-+*/^=<>,;:()\[\]]))"
)


class FormulaError(ValueError):
    """A text that is no formula."""


class Row(NamedTuple):
    """A line: which case it is of, what it says, and remarks on it."""

    case: markupsafe.Markup
    formula: markupsafe.Markup
    remark: markupsafe.Markup


class _Token(NamedTuple):
    kind: str
    text: str


def _tag(name: str, *children: str) -> str:
    return f"<{name}>{''.join(children)}</{name}>"


def _tokens(text: str) -> list[_Token]:
    found, end = [], 0
    text = text.rstrip()
    while end < len(text):
        match = TOKEN.match(text, end)
        if match is None:
            raise FormulaError(f"nothing begins with {text[end:]!r}")
        found.append(_Token(str(match.lastgroup), match[str(match.lastgroup)]))
        end = match.end()
    return found


def _symbol(name: str) -> str:
    """A letter, a Greek one or an abbreviation, perhaps with an index; empty for a word."""
    parts = re.fullmatch(
        rf"(?P<letter>[A-Za-z]|{'|'.join(GREEK)})"
        r"(?:(?P<index>\d+|T|(?<=T)[np])|_(?P<long>\w+))?",
        name,
    )
    if parts is None:
        return ""
    letter = _tag("mi", GREEK.get(parts["letter"], parts["letter"]))
    index = parts["index"] or parts["long"]
    if index is None:
        return letter
    kind = "mn" if index.isdigit() else "mi" if len(index) == 1 else "mtext"
    return _tag("msub", letter, _tag(kind, index))


class _Parser:
    """Reads tokens from left to right; ``parameters`` are names that are no words."""

    def __init__(self, tokens: Sequence[_Token], parameters: Iterable[str]):
        self.tokens = tokens
        self.parameters = set(parameters)
        self.place = 0

    def peek(self, offset: int = 0) -> _Token:
        place = self.place + offset
        return self.tokens[place] if 0 <= place < len(self.tokens) else _Token("end", "")

    def take(self) -> _Token:
        token = self.peek()
        self.place += 1
        return token

    def row(self, end: str = "") -> str:
        """All up to a closing bracket, or to the end."""
        parts = []
        while self.peek().kind != "end" and self.peek().text != end:
            parts.append(self.fraction())
        return _tag("mrow", *parts)

    def fraction(self) -> str:
        """One thing over another, or one thing."""
        upper, bare = self.power()
        if self.peek().text != "/":
            return upper
        self.take()
        lower, bare_lower = self.power()
        return _tag("mfrac", bare or upper, bare_lower or lower)

    def power(self) -> tuple[str, str]:
        """One thing, perhaps with an exponent; and without brackets where it has some around it."""
        base, bare = self.atom()
        if self.peek().text != "^":
            return base, bare
        self.take()
        return _tag("msup", base, self.atom()[0]), ""

    def bracket(self) -> tuple[str, str]:
        """What stands in brackets, with them and without."""
        opening = self.take().text
        inside = self.row(CLOSING[opening])
        if self.take().text != CLOSING[opening]:
            raise FormulaError(f"{opening} is not closed")
        return _tag("mo", opening) + inside + _tag("mo", CLOSING[opening]), inside

    def atom(self) -> tuple[str, str]:
        """The next thing; and without brackets where it has some around it."""
        token = self.peek()
        if token.text in CLOSING:
            whole, inside = self.bracket()
            return _tag("mrow", whole), inside
        self.take()
        if token.kind == "derivative":
            upper, lower = (f"<mi>d</mi><mi>{part[1]}</mi>" for part in token.text.split("/"))
            return _tag("mfrac", _tag("mrow", upper), _tag("mrow", lower)), ""
        if token.kind == "number":
            return _tag("mn", token.text), ""
        if token.kind == "code":
            return _tag("mtext", str(markupsafe.escape(token.text.strip("`")))), ""
        if token.kind == "name":
            return self.name(token.text), ""
        if token.text in ("^", "/", ")", "]", ""):
            raise FormulaError(f"{token.text!r} stands alone")
        sign = str(markupsafe.escape(OPERATORS.get(token.text, token.text)))
        if token.text == "-" and not self.after_operand():
            return f'<mo form="prefix">{sign}</mo>', ""
        return _tag("mo", sign), ""

    def after_operand(self) -> bool:
        """Whether something to compute with comes before the token that was just taken."""
        before = self.peek(-2)
        if before.kind == "name":
            return bool(_symbol(before.text)) or before.text in self.parameters
        return before.kind in ("number", "derivative") or before.text in (")", "]")

    def name(self, text: str) -> str:
        """A function, a symbol, a hyperparameter or words."""
        if text in FUNCTIONS:
            return self.function(text)
        if text == "x":
            return _tag("mo", OPERATORS[text])
        symbol = _symbol(text)
        if text == "a" and self.peek(-2).kind == "name" and self.peek().kind == "name":
            symbol = ""  # the article
        if symbol and self.peek().text in CLOSING and text not in self.parameters:
            return _tag("mrow", symbol, self.bracket()[0])
        if symbol:
            return symbol
        if text in self.parameters or "_" in text:
            return f'<mtext class="parameter">{text}</mtext>'
        return self.words(text)

    def function(self, text: str) -> str:
        """A function and what it is applied to: a bracket, or the one thing after it."""
        space = SPACE if self.after_operand() else ""
        if self.peek().text in CLOSING:
            whole, inside = self.bracket()
            if text in BRACKETS:
                first, last = BRACKETS[text]
                return _tag("mrow", _tag("mo", first), inside, _tag("mo", last))
            return _tag("mrow", space, _tag("mi", text), whole)
        if self.peek().kind != "name" or text in BRACKETS or len(self.peek().text) > 3:
            return self.words(text)
        return _tag("mrow", space, _tag("mi", text), SPACE, self.power()[0])

    def words(self, text: str) -> str:
        """A word and those that follow it."""
        words = [text]
        while (
            self.peek().kind == "name"
            and self.peek().text not in self.parameters | FUNCTIONS | {"x"}
            and "_" not in self.peek().text
            and (
                not _symbol(self.peek().text)
                or (self.peek().text == "a" and self.peek(1).kind == "name")
            )
        ):
            words.append(self.take().text)
        # MathML drops ordinary space at the ends of a text.
        before = "" if self.peek(-len(words) - 1).text in ("", "(", "[") else GAP
        after = "" if self.peek().text in ("", ",", ";", ")", "]") else GAP
        return _tag("mtext", before, str(markupsafe.escape(" ".join(words))), after)


def _math(text: str, parameters: Iterable[str]) -> markupsafe.Markup:
    """A text of the notation as MathML; nothing where there is none."""
    tokens = _tokens(text)
    if not tokens:
        return markupsafe.Markup("")
    inside = _Parser(tokens, parameters).row()
    # What stands in it of the text is a letter, a number, or escaped.
    return markupsafe.Markup(f'<math displaystyle="true">{inside}</math>')  # noqa: S704


def _logical_lines(block: str) -> list[str]:
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith(" ") and lines:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.rstrip())
    return lines


def _divide(line: str) -> tuple[str, str, str]:
    """Case, formula and remark of a line, as they are written."""
    case, colon, rest = line.partition(":")
    if not colon:
        plus = re.match(r"(plus) {2,}", line)
        case, rest = (plus[1], line[plus.end() :]) if plus else ("", line)
    elif re.search(r"[^\s=] {2,}\S", case):
        raise FormulaError("a wide gap before the colon")
    # A gap beside an operator puts columns under one another.
    rest = re.sub(r" {2,}(?=(?:[-+*/=]|<-) )|(?<= [-+*/=]) {2,}|(?<= <-) {2,}", " ", rest.strip())
    formula, *remarks = re.split(r",? {3,}", rest, maxsplit=1)
    return case.strip(), formula, remarks[0] if remarks else ""


def typeset(block: str, parameters: Iterable[str] = ()) -> list[Row]:
    """The lines of a block of formulas; nothing where it is not one.

    parameters: the loss's hyperparameters, which are names and no words.
    """
    try:
        return [
            Row(*(_math(part, parameters) for part in _divide(line)))
            for line in _logical_lines(block)
        ]
    except FormulaError:
        return []
