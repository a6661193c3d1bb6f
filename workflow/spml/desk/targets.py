"""Targets on a command line: which words are some, and what may be meant by one that is none."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from spml.planning.files import in_project, load
from spml.plumbing.suggestions import suggestion

MADE = ("results", "data")  # folders of what is made, where no configuration lies
BESIDE_EXHIBITS = ("all", "report")
OF_A_RUN = re.compile(r"(results/runs/)([^/]+)(/)([^/]+)(/)([^/]+)(/seed\d+/[^/]+)")


def _is_configuration(word: str) -> bool:
    path = Path(word)
    named = path.suffix in (".yaml", ".yml", ".json") or path.is_file()
    return named and not (path.parts and path.parts[0] in MADE)


def _is_value(option: str, first: str, word: str) -> bool:
    """Whether a word that follows an option and the first of its values is another one."""
    if option in ("--configfile", "--configfiles"):
        return _is_configuration(word)
    return "=" in word or "=" not in first


def with_targets_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments, but before the options what can be no value of theirs.

    That is known of files (``--configfile a.yaml gr_main_table``) and of settings (``--config
    device=cpu gr_main_table``), whose values have an equals sign. What follows ``--`` stays.
    """
    targets: list[str] = []
    others: list[str] = []
    option: list[str] = []  # the last one, and the values that have followed it
    for number, word in enumerate(arguments):
        if word == "--":
            return [*others, "--", *targets, *arguments[number + 1 :]]
        if word.startswith("-"):
            option = [word]
        elif len(option) > 1 and not _is_value(option[0], option[1], word):
            targets.append(word)
            continue
        elif option:
            option.append(word)
        others.append(word)
    return [*targets, *others]


def unknown_target(name: str) -> str:
    """A sentence on a target that no rule makes, with the nearest one that the project has."""
    sentence = f"there is no target {name!r}{_nearest(name)}"
    return f"{sentence}; snakemake --list-target-rules lists those that have a name"


def _nearest(name: str) -> str:
    if not in_project():
        return ""
    config = load()
    parts = OF_A_RUN.fullmatch(name)
    if not parts:
        return suggestion(name, [*config["exhibits"], *BESIDE_EXHIBITS])
    words = list(parts.groups())
    for place, key in ((1, "datasets"), (3, "protocols"), (5, "methods")):
        words[place] = next(iter(get_close_matches(words[place], config[key], n=1)), words[place])
    nearest = "".join(words)
    return suggestion(name, [nearest]) if nearest != name else ""
