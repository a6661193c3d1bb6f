"""The catalogue of methods, from config/methods.yaml and the descriptions in the losses' files."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from spml.report.definitions import LossDefinition, read_loss
from spml.report.methods import format_value
from spml.report.texts import paragraphs

ROOT = Path(__file__).parents[1]
METHODS = ROOT / "config/methods.yaml"
BAR = r"\|"  # within a table


class Method(NamedTuple):
    """An entry of config/methods.yaml; ``changes`` is what it says itself beside its name."""

    name: str
    title: str
    loss: str
    extends: str | None
    changes: dict[str, Any]


def read_methods() -> list[Method]:
    """All methods, in the order of the file."""
    entries = yaml.safe_load(METHODS.read_text(encoding="utf-8"))["methods"]

    def loss(name: str) -> str:
        entry = entries[name]
        return str(entry["loss"]) if "loss" in entry else loss(entry["extends"])

    return [
        Method(
            name,
            entry["title"],
            loss(name),
            entry.get("extends"),
            {key: value for key, value in entry.items() if key not in ("title", "extends")},
        )
        for name, entry in entries.items()
    ]


def source(definition: LossDefinition) -> str:
    """Where a loss is from: of that paragraph of its description, what is not said about it."""
    [text] = re.findall(r"^Source: (.+?)(?:\n\n|\Z)", definition.texts[0], re.DOTALL | re.MULTILINE)
    return re.split(r"\.(?= |$)|;|, (?=(?:of |from )?(?:which|whose)\b)", " ".join(text.split()))[0]


def year(citation: str) -> str:
    """The year in a citation; of a preprint alone, that of its number."""
    found = re.search(r"\b((?:19|20)\d\d)\b(?!\.\d)", citation)
    return found[1] if found else "20" + re.findall(r"arXiv (\d\d)\d\d\.", citation)[0]


def formula(definition: LossDefinition) -> str:
    """The first formula of a description in one line."""
    lines = next(text for kind, text in paragraphs(definition.texts[0]) if kind == "lines")
    joined = re.sub(r"\n(?=\S)", "; ", lines)
    return re.sub(r" +(?=:)", "", " ".join(joined.split()))


def escape(text: str) -> str:
    """Prose as Markdown that shows it as it is, but for what stands between backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [re.sub(r"([\\*_<>\[\]#|~$])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def code(text: str) -> str:
    """A cell of a table in which nothing is formatted."""
    return f"`` {text.replace('|', BAR)} ``"


def changes(method: Method) -> str:
    """What a variant changes on all datasets."""
    values = {**method.changes.get("hyperparameters", {}), **method.changes}
    hidden = ("hyperparameters", "datasets", "protocols")
    shown = (f"{key}: {format_value(value)}" for key, value in values.items() if key not in hidden)
    return code("; ".join(shown))


def row(method: Method, definition: LossDefinition) -> str:
    """The line of a method in the table."""
    citation = source(definition)
    shown = code(formula(definition))
    if method.extends and "loss" not in method.changes:
        shown = f"as `{method.extends}`, with {changes(method)}"
    cells = [
        escape(method.title),
        f"[`{method.name}`](#loss-{method.loss})",
        shown,
        escape(citation),
        year(citation),
        f"[{Path(definition.file).name}](../{definition.file})",
    ]
    return f"| {' | '.join(cells)} |"


def description(name: str, definition: LossDefinition) -> str:
    """All that a loss says of itself."""
    parts = [f"(loss-{name})=\n### {escape(name)}", escape(definition.summary)]
    whole = [definition.texts[0].partition("\n\n")[2], definition.arguments, *definition.texts[1:]]
    for text in whole:
        parts += [
            escape(block) if kind == "prose" else f"```text\n{block}\n```"
            for kind, block in paragraphs(text)
        ]
    return "\n\n".join(parts)


def catalogue() -> str:
    """The table of all methods, then the description of each loss that they train with."""
    methods = read_methods()
    losses = {method.loss: read_loss(method.loss) for method in methods}
    header = ["Method", "Name", "Formula", "Paper or code", "Year", "File"]
    table = [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(row(method, losses[method.loss]) for method in methods),
    ]
    texts = [description(name, definition) for name, definition in losses.items()]
    return "\n".join(table) + "\n\n## The losses\n\n" + "\n\n".join(texts)
