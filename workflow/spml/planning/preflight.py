"""All that is checked before any job starts, and before Snakemake reads the configuration.

Each mistake is one sentence that names its file. Planning imports this module, so it imports
neither torch nor numpy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..exhibits import published
from ..plumbing.errors import UserError
from . import checks, files, grids, registry, shown

# What makes jobs run again; software-env is left to the user, who may not use environments.
NEEDED_TRIGGERS = {"CODE", "INPUT", "MTIME", "PARAMS"}
COMMAND_LINE = "the command line (--config)"
MODULE = "the config: of the module statement"
PUBLISHED = "config/published"
FOLDER = Path(__file__).absolute().parents[3]  # that of the Snakefile, config and workflow


def _check_rules(config: Mapping[str, Any], exhibits: Path) -> None:
    """Raise UserError where the rules name what the configuration does not define.

    Each exhibit has a module and a rule of its own, whether or not it is selected, and so has the
    embedded dataset.
    """
    names = [path.stem for path in sorted(exhibits.glob("*.py"))]
    for name in names:
        if name.startswith(("gr_", "ll_", "extra_")) and name not in config["exhibits"]:
            raise UserError(f"exhibits.{name} is missing; a rule makes it, so define it")
    for name in config["select"]["exhibits"]:
        if name not in names:
            raise UserError(
                f"select.exhibits has {name}, which no rule makes: there is no {exhibits}/{name}.py"
            )
    for key in ("compose", "pretrain"):
        if key not in config["datasets"].get("digits", {}):
            raise UserError(f"datasets.digits.{key} is missing; a rule needs it, so define it")


def _check_published_files(config: Mapping[str, Any]) -> None:
    """Raise UserError where an exhibit reads a file of published numbers that is not there."""
    names = sorted(path.stem for path in Path(PUBLISHED).glob("*.csv"))
    for exhibit, definition in config["exhibits"].items():
        for name in definition.get("published_from", []):
            if name not in names:
                raise UserError(
                    f"exhibits.{exhibit}.published_from has {name}, and there is no "
                    f"{PUBLISHED}/{name}.csv; allowed: {', '.join(names)}"
                )


def require_own_folder(moved: Callable[[str], str]) -> None:
    """Raise UserError where rules would not find the files of the checkout by their paths.

    moved: what a module statement makes of a path of a rule.
    """
    if not FOLDER.samefile(Path.cwd()):
        raise UserError(
            f"this workflow runs in its own folder, and {Path.cwd()} is another one; start "
            f"snakemake there, or with --directory {FOLDER}"
        )
    paths = [f"{folder}/file" for folder in ("config", "data", "results", "workflow")]
    if any(moved(path) != path for path in paths):
        raise UserError(
            "a module statement with prefix: or replace_prefix: moves files that this workflow "
            f"looks for in {FOLDER}; leave that out"
        )


def check(
    paths: Sequence[str | Path],
    *,
    command_line: Mapping[str, Any] | None = None,
    module: Mapping[str, Any] | None = None,
    package: str | Path = "workflow",
) -> dict[str, Any]:
    """The merged configuration with grids expanded; UserError for the first mistake in it.

    Mistakes in its tables are among them.

    paths: the configuration files in the order in which they are merged. command_line: what
    ``--config`` says, which comes after them. module: what a Snakefile that uses this one as a
    module gives it. package: the folder of ``schemas`` and ``spml``.
    """
    try:
        documents = {str(path): files.read(path) for path in paths}
        documents[COMMAND_LINE] = dict(command_line or {})
        documents[MODULE] = dict(module or {})
        config: dict[str, Any] = {}
        for document in documents.values():
            files.update(config, document)
        checks.check(
            config,
            documents=documents,
            schemas=Path(package) / "schemas",
            losses=Path(package) / "spml/losses",
        )
        _check_rules(config, Path(package) / "spml/exhibits")
        config = registry.with_weight_files(config)
        registry.check(config)
        published.check(PUBLISHED)
        _check_published_files(config)
    except (
        checks.ConfigurationError,
        registry.RegistryError,
        published.PublishedError,
    ) as error:
        raise UserError(str(error)) from None
    return grids.expand(config)


def notice(config: Mapping[str, Any]) -> str:
    """What is selected and left out, in a line; empty where all of it is run and shown."""
    found = shown.left_out(config)
    if not found:
        return ""
    names = "; ".join(f"{key} {', '.join(found[key])}" for key in found)
    return f"Left out, since nothing else that is selected is for them: {names}"


def overlooked(triggers: Iterable[str]) -> str:
    """A warning where Snakemake does not look at all that results rest on; empty where it does.

    triggers: the names of what makes jobs run again, in capitals.
    """
    missing = sorted(name.lower() for name in NEEDED_TRIGGERS - set(triggers))
    if not missing:
        return ""
    line = "*" * 88
    return (
        f"{line}\nrerun-triggers, of the command line or profile, leave out: {', '.join(missing)}\n"
        "What was made with other settings, files or commands counts as up to date, and stands in\n"
        "tables beside what is new. To have all of it noticed:\n"
        f"snakemake --workflow-profile workflow/profiles/default\n{line}"
    )
