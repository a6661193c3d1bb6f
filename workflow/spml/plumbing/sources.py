"""Which files of this package a stage imports: what its rule declares as inputs.

A rule that declares them is planned again when one of them really changes, and only then. Reading
the imports from the files keeps that list right when a module starts to import another one.

Files of this folder, plumbing, are imported but not charged: no byte of a run's scores, metrics or
figures can depend on one of them, so that an edit makes nothing anew.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "spml"
PLUMBING = Path(PACKAGE, "plumbing")


@cache
def _find(root: Path, module: str) -> Path | None:
    """The file of a module below ``root``; None for what is not a module of the package."""
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and what may run in it, but for expressions, which hold no imports."""
    yield node
    typing_alone = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    for field in ("body", "handlers", "cases", "orelse", "finalbody")[typing_alone:]:
        for statement in getattr(node, field, ()):
            yield from _statements(statement)


def _imported_names(path: Path, module: str) -> set[str]:
    """Dotted names of this package that ``path`` imports, at its top or inside its functions."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            names.add(base)
            # "from spml import losses" imports a module, "from spml.losses import build" a name.
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == PACKAGE}


@cache  # most stages share most modules
def _imported_modules(root: Path, module: str) -> tuple[str, ...]:
    """Those of the names that a module imports, and its own package, that are modules.

    Raises FileNotFoundError where there is no such module itself.
    """
    path = _find(root, module)
    if path is None:
        raise FileNotFoundError(f"no module {module} below {root}")
    names = _imported_names(path, module)
    if "." in module:
        names.add(module.rpartition(".")[0])  # importing a module imports its package
    return tuple(name for name in names if _find(root, name) is not None)


def imported_files(root: str, *modules: str) -> tuple[str, ...]:
    """Paths of ``modules`` and of all that they import from this package, sorted.

    root: the folder that holds the package, ``workflow``. modules: dotted names, such as
    ``spml.train``; a module that is imported by a computed name (a loss) is given beside it.
    Raises FileNotFoundError for a module that does not exist.
    """
    folder = Path(root)
    found: set[str] = set()
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_imported_modules(folder, module))
    return tuple(sorted(str(_find(folder, module)) for module in found))


@cache
def charged_files(root: str, *modules: str) -> tuple[str, ...]:
    """Those of :func:`imported_files` of which a change makes anew what these modules make."""
    plumbing = Path(root, PLUMBING)
    files = imported_files(root, *modules)
    return tuple(path for path in files if plumbing not in Path(path).parents)
