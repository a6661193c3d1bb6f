"""The configuration as Snakemake merges it, for commands that run without Snakemake."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spml.errors import UserError

SNAKEFILE = Path("Snakefile")


def in_project() -> bool:
    """Whether the working directory is the project's."""
    return SNAKEFILE.is_file()


def _update(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged, everything else is replaced: what Snakemake does.

    Every map is made anew, since aliases of YAML share what they name.
    """
    for key, value in change.items():
        if isinstance(value, Mapping):
            known = base.get(key)
            base[key] = _update(known if isinstance(known, dict) else {}, value)
        else:
            base[key] = value
    return base


def merged_files(files: Sequence[str] = ()) -> list[str]:
    """The files that the Snakefile names, in its order, and after them ``files``."""
    if not in_project():
        raise UserError("there is no Snakefile here; go to the project's folder first")
    text = SNAKEFILE.read_text(encoding="utf-8")
    return [*re.findall(r'^configfile: "(.+)"$', text, re.MULTILINE), *files]


def load(files: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of :func:`merged_files`, merged."""
    import yaml

    config: dict[str, Any] = {}
    for path in merged_files(files):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        try:
            document = yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        _update(config, document or {})
    return config
