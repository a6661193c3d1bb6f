"""Targets after an option that takes several values: no part of it, whatever the order."""

from collections.abc import Sequence
from pathlib import Path

MADE = ("results", "data")  # folders of what is made, where no configuration lies


def _is_configuration(word: str) -> bool:
    path = Path(word)
    named = path.suffix in (".yaml", ".yml", ".json") or path.is_file()
    return named and path.parts[:1] not in {(folder,) for folder in MADE}


def _belongs(option: str, first: str, word: str) -> bool:
    """Whether a word that follows an option and the first of its values is another one."""
    if option in ("--configfile", "--configfiles"):
        return _is_configuration(word)
    return "=" in word or "=" not in first


def with_targets_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments, those before the options that can be no values of theirs.

    That is known of files (``--configfile a.yaml gr_main_table``) and of settings (``--config
    device=cpu gr_main_table``), whose values have an equals sign. What follows ``--`` stays.
    """
    targets: list[str] = []
    options: list[str] = []
    values: list[str] = []  # an option, and what has followed it
    for number, word in enumerate(arguments):
        if word == "--":
            return [*options, "--", *targets, *arguments[number + 1 :]]
        if word.startswith("-"):
            values = [word]
        elif len(values) > 1 and not _belongs(values[0], values[1], word):
            targets.append(word)
            continue
        elif values:
            values.append(word)
        options.append(word)
    return [*targets, *options]
