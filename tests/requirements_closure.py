"""Which rule runs which stage in which environment, and which packages the stage imports."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import yaml
from conda.stand_in import PYPI_NAMES
from spml.datasets import MODULES
from spml.sources import imported_files

# What rules say of modules that are loaded by a computed name, and where these modules are.
COMPUTED = {"loss_sources": "spml.losses", "dataset_sources": "spml.datasets"}


class Stage(NamedTuple):
    """A rule's module, the packages of which it loads modules by name, and its environment."""

    rule: str
    module: str
    computed: tuple[str, ...]
    environment: str


def stages() -> list[Stage]:
    """Every rule that runs a module of the package; a rule inherits what it does not say."""
    found: dict[str, Stage] = {}
    for path in sorted(Path("workflow/rules").glob("*.smk")):
        for block in re.split(r"^(?=rule |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            head = re.match(r"(?:use rule (\w+) as |rule )(\w+)", block)
            parent, rule = found.get(head[1] or ""), head[2]
            module = re.search(r"(?:python -m |module=\")(spml[\w.]*)", block)
            environment = re.search(r"envs/(\w+)\.yaml|(?=network_environment)", block)
            if module or parent:
                computed = tuple(name for word, name in COMPUTED.items() if word in block)
                found[rule] = Stage(
                    rule,
                    module[1] if module else parent.module,
                    computed if module else parent.computed,
                    (environment[1] or "train") if environment else parent.environment,
                )
    return list(found.values())


_distributions = cache(packages_distributions)  # reads the files of all installed packages


def _files(stage: Stage) -> set[str]:
    is_package = Path("workflow", *stage.module.split(".")).is_dir()
    modules = [f"{stage.module}.__main__" if is_package else stage.module]
    for package in stage.computed:
        losses = [path.stem for path in Path("workflow/spml/losses").glob("[a-z]*.py")]
        names = MODULES if package == "spml.datasets" else losses
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
    names, needed = set(), set()
    for file in _files(stage):
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        names.update(_top_level_names(tree))
        needed.update(map(normalized, _distributions_read(tree)))
    distributions = _distributions()
    names -= {*sys.stdlib_module_names, "spml"}
    return needed | {normalized(distributions[name][0]) for name in names}


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
