"""What a loss is, in the words of its own file, and what the configuration says in its comments.

Both are read as text: importing a loss imports torch, and loading YAML drops the comments that say
where a hyperparameter comes from.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from spml.losses.arguments import find_loss, loss_arguments, parse

LOSSES = Path(__file__).parents[1] / "losses"


@dataclass(frozen=True)
class LossDefinition:
    """summary: the first sentence. texts: the whole description, then those that it refers to.

    arguments: what is said of the hyperparameters. defaults: the text of each one's default, empty
    where it must be given. mapping: k, v, l1, l2, l3 as LaTeX; empty where it has none of its own.
    """

    file: str
    summary: str
    texts: list[str]
    arguments: str
    defaults: dict[str, str]
    mapping: dict[str, str]


NOT_TRAINED = LossDefinition(
    file="",
    summary="Scores that were made elsewhere; nothing is trained here.",
    texts=[
        "Its scores were made elsewhere, checked, and evaluated like those of all other methods. "
        "What trained them is not known here: no loss, no settings and no epochs."
    ],
    arguments="",
    defaults={},
    mapping={},
)


def _mapping(definition: ast.ClassDef) -> dict[str, str]:
    for node in definition.body:
        if (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", None) == "mapping"
            and isinstance(node.value, ast.Call)
        ):
            return {str(item.arg): ast.literal_eval(item.value) for item in node.value.keywords}
    return {}


def read_loss(name: str, folder: Path = LOSSES) -> LossDefinition:
    """The definition of the loss in ``name``.py."""
    path = folder / f"{name}.py"
    tree = parse(path)
    text = ast.get_docstring(tree) or ""
    shared = [
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level and (node.module or "").startswith("_")
    ]
    texts = [ast.get_docstring(parse(folder / f"{module}.py")) or "" for module in shared]
    loss = find_loss(tree, path)
    return LossDefinition(
        file=f"workflow/spml/losses/{name}.py",
        summary=" ".join(text.split("\n\n")[0].split()),
        texts=[text, *texts],
        arguments=ast.get_docstring(loss) or "",
        defaults={
            argument: ast.unparse(default) if default is not None else ""
            for argument, default in loss_arguments(path).items()
        },
        mapping=_mapping(loss),
    )


class Excerpt(NamedTuple):
    """Some lines of a configuration file."""

    file: str
    text: str


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def entries(files: Iterable[str], section: str) -> dict[str, list[Excerpt]]:
    """Each entry of a section of the configuration as it is written, with the comments about it.

    Those are the ones within it and the ones right above it. Later files come later.
    """
    found: dict[str, list[Excerpt]] = {}
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        lines = text.splitlines()
        document = yaml.compose(text, Loader=yaml.CSafeLoader)
        pairs = document.value if isinstance(document, yaml.MappingNode) else []
        for key, value in pairs:
            if key.value != section or not isinstance(value, yaml.MappingNode):
                continue
            for name, entry in value.value:
                start, end = name.start_mark.line, entry.end_mark.line + 1
                if not entry.flow_style and isinstance(entry, yaml.MappingNode):
                    end -= 1  # it ends where the next one begins
                while end > start + 1 and (
                    not lines[end - 1].strip() or _is_comment(lines[end - 1])
                ):
                    end -= 1
                while start and _is_comment(lines[start - 1]):
                    start -= 1
                shown = "\n".join(lines[start:end])
                found.setdefault(name.value, []).append(Excerpt(file, _dedent(shown)))
    return found


def _dedent(text: str) -> str:
    """Without the indentation of its first line."""
    indentation = re.match(" *", text)
    return re.sub(f"^{indentation[0] if indentation else ''}", "", text, flags=re.MULTILINE)


def opening_comment(file: str) -> str:
    """The comment at the top of a file, without comment signs and notes to editors."""
    lines = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "yaml-language-server" not in line:
            lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)
