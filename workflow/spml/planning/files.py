"""The configuration as Snakemake merges it, for what runs before it or without it."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plumbing.errors import UserError
from . import grids

if TYPE_CHECKING:
    import yaml

SNAKEFILE = Path("Snakefile")
# Options of which Snakemake keeps the last occurrence: the other name of each, and an example.
ONCE = {
    "--configfile": ("--configfiles", "--configfile FILE FILE"),
    "--config": ("-C", "--config KEY=VALUE KEY=VALUE"),
}


def in_project() -> bool:
    """Whether the working directory is the project's."""
    return SNAKEFILE.is_file()


def require_project() -> None:
    """An error in a sentence where the working directory is not the project's."""
    if not in_project():
        raise UserError("there is no Snakefile here; go to the project's folder first")


def refuse_repeated(arguments: Sequence[str]) -> None:
    """Raise UserError where an option is given twice of which the first would be lost."""
    options = [word.partition("=")[0] for word in takewhile(lambda word: word != "--", arguments)]
    for option, (other, example) in ONCE.items():
        if options.count(option) + options.count(other) > 1:
            raise UserError(
                f"{option} is given more than once on the command line, and Snakemake takes the "
                f"last one alone; name everything after one of them, in order: {example}"
            )


def named_files() -> list[str]:
    """The configuration files that the Snakefile names, in its order."""
    require_project()
    text = SNAKEFILE.read_text(encoding="utf-8")
    return re.findall(r'^configfile: "(.+)"$', text, re.MULTILINE)


def read(path: str | Path) -> dict[str, Any]:
    """One configuration file; one that cannot be read or is no map of keys is a UserError."""
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8: {error.reason}") from None
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        _refuse_duplicates(path, node)
        document = loader.construct_document(node) if node else None
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1},"
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{path}{place} is not YAML: {reason}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} must be a map of keys, such as select: or methods:")
    return document


def _refuse_duplicates(path: str | Path, document: "yaml.Node | None") -> None:
    """Raise UserError for a key that a map has twice: readers of YAML keep the last one alone."""
    import yaml

    seen: set[int] = set()  # an alias is the node that it names

    def visit(node: "yaml.Node | None", place: str) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                visit(item, f"{place}[{number}]")
        if not isinstance(node, yaml.MappingNode):
            return
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            # Of two merges (<<) none is lost; a key that is no scalar is refused when it is read.
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            name = f"{place}.{key.value}" if place else key.value
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                raise UserError(
                    f"{path}, line {line}: {name} stands in line {lines[key.tag, key.value]} too, "
                    "which would be lost; make one of the two"
                )
            lines[key.tag, key.value] = line
            visit(value, name)

    visit(document, "")


def update(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged, everything else is replaced: what Snakemake does.

    Every map is made anew, since aliases of YAML share what they name.
    """
    for key, value in change.items():
        if isinstance(value, Mapping):
            known = base.get(key)
            base[key] = update(known if isinstance(known, dict) else {}, value)
        else:
            base[key] = value
    return base


def merged_files(files: Sequence[str] = ()) -> list[str]:
    """The files that the Snakefile names, in its order, and after them ``files``."""
    return [*named_files(), *files]


def load(files: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of :func:`merged_files`, merged, with each grid's variants."""
    config: dict[str, Any] = {}
    for path in merged_files(files):
        update(config, read(path))
    return grids.expand(config)
