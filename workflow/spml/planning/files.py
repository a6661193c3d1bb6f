"""The configuration as Snakemake merges it, for what runs before it or without it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..plumbing.errors import UserError
from . import grids

SNAKEFILE = Path("Snakefile")


def in_project() -> bool:
    """Whether the working directory is the project's."""
    return SNAKEFILE.is_file()


def require_project() -> None:
    """An error in a sentence where the working directory is not the project's."""
    if not in_project():
        raise UserError("there is no Snakefile here; go to the project's folder first")


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
    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1},"
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{path}{place} is not YAML: {reason}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} must be a map of keys, such as select: or methods:")
    return document


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
