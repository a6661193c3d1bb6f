"""Which rule runs which stage in which environment and where, and which packages the stage imports."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from conda.stand_in import PYPI_NAMES
from snakemake.api import SnakemakeApi
from snakemake.settings.types import OutputSettings, Quietness, ResourceSettings
from spml import losses
from spml.datasets import MODULES
from spml.plumbing.sources import imported_files

# Stages that load modules by a computed name, and the packages which these modules are in.
COMPUTED = {
    **dict.fromkeys(("spml.train", "spml.describe"), "spml.losses"),
    **dict.fromkeys(
        ("spml.format", "spml.datasets.export", "spml.fetch_images", "spml.pack"), "spml.datasets"
    ),
}


class Stage(NamedTuple):
    """A rule's module and its environment, and what a cluster is asked for it."""

    rule: str
    module: str
    environment: str
    may_ask_for_gpu: bool
    is_submitted: bool


@cache
def stages() -> list[Stage]:
    """Every rule that runs a module of the package, as Snakemake reads them."""
    output = OutputSettings(quiet={Quietness.ALL})
    with SnakemakeApi(output) as api:
        workflow = api.workflow(ResourceSettings(cores=1), snakefile=Path("Snakefile"))._workflow
        return [
            Stage(
                rule=rule.name,
                module=_module(rule),
                environment=Path(str(rule.conda_env)).stem,
                may_ask_for_gpu=_may_ask_for_gpu(rule),
                is_submitted=rule.name not in workflow._localrules,
            )
            for rule in workflow.rules
            if rule.shellcmd
        ]


def _may_ask_for_gpu(rule: Any) -> bool:
    """Whether any of its jobs asks for a GPU; where that depends on the job, some do."""
    asked = rule.resources.get("gpu")
    return asked is not None and (asked.is_evaluable() or bool(asked.value))


def _module(rule: Any) -> str:
    [module] = re.findall(r"python -m (\S+)", rule.shellcmd)
    return rule.params.get("module") if module == "{params.module}" else module


_distributions = cache(packages_distributions)  # reads the files of all installed packages


def _files(stage: Stage) -> set[str]:
    is_package = Path("workflow", *stage.module.split(".")).is_dir()
    modules = [f"{stage.module}.__main__" if is_package else stage.module]
    if package := COMPUTED.get(stage.module):
        names = MODULES if package == "spml.datasets" else losses.names()
        modules += [f"{package}.{name}" for name in names]
    return set(imported_files("workflow", *modules))


def _top_level_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0]


def _distributions_read(tree: ast.AST) -> Iterator[str]:
    """Packages of which a file reads data without importing them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "distribution":
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def needed_packages(stage: Stage) -> set[str]:
    """The packages that running a stage may import or read, as PyPI spells them."""
    return packages_of(_files(stage))


def packages_of(files: Iterable[str | Path]) -> set[str]:
    """The packages that source files import or read, as PyPI spells them.

    One that is not installed has the name that it is imported by.
    """
    names, needed = set(), set()
    for file in files:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        names.update(_top_level_names(tree))
        needed.update(map(normalized, _distributions_read(tree)))
    distributions = _distributions()
    names -= {*sys.stdlib_module_names, "spml"}
    return needed | {normalized(distributions.get(name, [name])[0]) for name in names}


def normalized(name: str) -> str:
    """The name of a package as PyPI spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """What an environment holds of the lock, from pip or from conda: version by PyPI's name."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    [pip] = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    conda = [entry.split(" =") for entry in entries if str(entry).startswith(tuple(PYPI_NAMES))]
    return {normalized(name): version for name, _, version in (p.partition("==") for p in pip)} | {
        PYPI_NAMES[name]: version for name, version in conda
    }
