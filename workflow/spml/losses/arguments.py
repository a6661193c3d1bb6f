"""The hyperparameters that a loss takes, read from its file without importing it.

Importing torch takes longer than planning the whole workflow, or than writing a table. What can be
seen of a loss that cannot train is said here too, before a job starts. A base class is followed to
its file in the same folder: a loss has the hyperparameters and the methods of all that it is.
"""

import ast
from pathlib import Path
from typing import NamedTuple

from ..plumbing.errors import UserError
from . import GIVEN

# The classes that losses derive from, the first from the second, and the method that each asks for.
# Their files are not read: the one constructor that they have takes the sizes alone.
METHODS = {"framework.GeneralizedLoss": "terms", "base.Loss": "compute"}
OF_BASE_LOSS = ast.parse(f"def __init__(self, *, {', '.join(GIVEN)}): ...").body[0]


class _Class(NamedTuple):
    """A loss or a class that it derives from; without a definition where its file is not read."""

    name: str  # gr.GeneralizedRobustLoss
    path: Path
    definition: ast.ClassDef | None

    def functions(self) -> dict[str, ast.FunctionDef]:
        """The methods that the class itself defines, by their names."""
        body = self.definition.body if self.definition else []
        return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def parse(path: str | Path) -> ast.Module:
    """The statements of a file; a UserError names the line that is not Python."""
    try:
        return ast.parse(Path(path).read_bytes(), str(path))
    except SyntaxError as error:
        line = f", line {error.lineno}," if error.lineno else ""  # none for bytes that are no text
        raise UserError(f"{path}{line} is not Python: {error.msg}") from None


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a file stands for, such as spml.losses.base.Loss."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
            package = {0: [], 1: ["spml", "losses"], 2: ["spml"]}.get(node.level, ["elsewhere"])
            module = [*package, *filter(None, [node.module])]
            for alias in node.names:
                found[alias.asname or alias.name] = ".".join([*module, alias.name])
    return found


def _in_folder(base: str, imported: dict[str, str]) -> str | None:
    """The name of a base class as file.Name if it is imported from the folder of losses."""
    first, dot, rest = base.partition(".")
    name = f"{imported.get(first, first)}{dot}{rest}"
    return name.removeprefix("spml.losses.") if name.startswith("spml.losses.") else None


def find_loss(tree: ast.Module, path: str | Path) -> ast.ClassDef:
    """The one class of a file that derives from one of the folder; others are helpers."""
    imported = _imported(tree)
    found: dict[str, ast.ClassDef] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            if any(base in found or _in_folder(base, imported) for base in bases):
                found[node.name] = node
    if not found:
        raise UserError(f"{path} has no loss: a class that derives from Loss or GeneralizedLoss")
    if len(found) > 1:
        names = ", ".join(found)
        raise UserError(f"{path} has several losses ({names}); give each a file of its own")
    return next(iter(found.values()))


def _lineage(loss: ast.ClassDef, tree: ast.Module, path: Path, below: list[str]) -> list[_Class]:
    """A class and all that it derives from, in the order in which Python looks for a method.

    below: the names that were followed to come here.
    """
    imported = _imported(tree)
    found = [_Class(f"{path.stem}.{loss.name}", path, loss)]
    for node in loss.bases:
        base = ast.unparse(node)
        above = [
            each
            for each in tree.body
            if isinstance(each, ast.ClassDef) and each.name == base and each.lineno < loss.lineno
        ]
        if above:
            found += _lineage(above[-1], tree, path, below)
        elif name := _in_folder(base, imported):
            found += _follow(name, path, f"{path}, line {node.lineno}: {loss.name}", below)
        else:
            found.append(_Class(base, path, None))
    # What several of them derive from comes after the last of these.
    return list({each.name: each for each in reversed(found)}.values())[::-1]


def _follow(name: str, path: Path, place: str, below: list[str]) -> list[_Class]:
    """The lineage of a class that is not in ``path``; ``place`` begins the sentence of an error."""
    if name in METHODS:
        known = list(METHODS)
        return [_Class(each, path, None) for each in known[known.index(name) :]]
    if name in below:
        circle = " from ".join([*below[below.index(name) :], name])
        raise UserError(f"{place} derives from itself: {circle}; give one of them another base")
    module, _, base = name.rpartition(".")
    file = path.parent.joinpath(*(module or "__init__").split(".")).with_suffix(".py")
    if not file.is_file():
        raise UserError(f"{place} derives from {base}, whose file {file} is not there")
    tree = parse(file)
    for node in reversed(tree.body):
        if isinstance(node, ast.ClassDef) and node.name == base:
            return _lineage(node, tree, file, [*below, name])
    elsewhere = _in_folder(base, _imported(tree))
    if not elsewhere:
        raise UserError(f"{place} derives from {base}, but {file} has no class of that name")
    return _follow(elsewhere, file, place, [*below, name])


def _check_methods(loss: ast.ClassDef, lineage: list[_Class], path: Path) -> None:
    """Refuse a loss without the method that its base class asks for."""
    not_read = [each.name for each in lineage if not each.definition]
    asking = [base for base in METHODS if base in not_read]
    if not asking:
        raise UserError(f"{path} has no loss: a class that derives from Loss or GeneralizedLoss")
    wanted = METHODS[asking[0]]
    written = any(wanted in each.functions() for each in lineage)
    if not written and METHODS.keys() >= set(not_read):  # another may bring the method
        raise UserError(
            f"{path}, line {loss.lineno}: {loss.name} does not implement {wanted}, which every "
            f"{asking[0].partition('.')[2]} has to; write the method (workflow/spml/losses/base.py "
            "and framework.py say what it gets and returns)"
        )


def _check_constructor(constructor: ast.FunctionDef, place: str) -> None:
    """Refuse a constructor that cannot be given sizes and hyperparameters by their names."""
    arguments = constructor.args
    if len([*arguments.posonlyargs, *arguments.args]) != 1 or arguments.vararg:
        raise UserError(
            f"{place} has to name each hyperparameter after a *, as in "
            "def __init__(self, *, smoothing: float = 0.1, **sizes: int)"
        )
    if not arguments.kwarg and not {each.arg for each in arguments.kwonlyargs}.issuperset(GIVEN):
        raise UserError(
            f"{place} has to take **sizes ({', '.join(GIVEN)}) and to pass them on: "
            "super().__init__(**sizes)"
        )


def _check_default(name: str, default: ast.expr, path: Path) -> None:
    """Refuse a default that only running the file could tell: exhibits and the report show it."""
    try:
        ast.literal_eval(default)
    except (ValueError, TypeError):
        raise UserError(
            f"{path}, line {default.lineno}: the default of {name} is {ast.unparse(default)}, "
            "which has to be computed; write the value itself, such as 0.5"
        ) from None


def _kept(constructor: ast.FunctionDef, others: str, place: str) -> set[str]:
    """What a constructor names and does not pass on to its base beside the ``**others``."""
    named = {each.arg for each in constructor.args.kwonlyargs}
    for node in ast.walk(constructor):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".__init__"):
            passed = [each.arg for each in node.keywords]
            if None in passed:  # the ** has no name
                break
    else:
        raise UserError(f"{place} has to pass **{others} on: super().__init__(**{others})")
    for name in filter(None, passed):
        if name not in named:
            raise UserError(
                f"{place} sets {name} of its base, which **{others} may set too; name {name} after "
                f"the * as well, or {', '.join(GIVEN)} in place of **{others}"
            )
    return named.difference(passed)


def loss_arguments(path: str | Path) -> dict[str, ast.expr | None]:
    """Each hyperparameter of the loss in ``path`` with its default; None for one without.

    Those of a base come first; of two defaults the one counts whose class derives from the other.
    A UserError names the file of a loss that could not be built or called.
    """
    path = Path(path)
    tree = parse(path)
    loss = find_loss(tree, path)
    lineage = _lineage(loss, tree, path, [f"{path.stem}.{loss.name}"])
    _check_methods(loss, lineage, path)
    found: dict[str, ast.expr | None] = {}
    kept: dict[str, str] = {}  # what a constructor names and does not pass on, and its place
    for each in lineage:
        constructor = OF_BASE_LOSS if each.name == "base.Loss" else each.functions().get("__init__")
        if not isinstance(constructor, ast.FunctionDef):
            continue
        name_of_class = each.name.rpartition(".")[2]
        place = f"{each.path}, line {constructor.lineno}: the constructor of {name_of_class}"
        _check_constructor(constructor, place)
        pairs = zip(constructor.args.kwonlyargs, constructor.args.kw_defaults, strict=True)
        named = {argument.arg: default for argument, default in pairs}
        for name, default in named.items():
            if name in kept:
                example = f"super().__init__({name}={name}, ...)"
                raise UserError(f"{kept[name]} has to pass {name} on to its base: {example}")
            if default is not None and name not in GIVEN:
                _check_default(name, default, each.path)
        found = named | found
        others = constructor.args.kwarg
        if not others:
            break
        kept |= dict.fromkeys(_kept(constructor, others.arg, place), place)
    return {name: default for name, default in found.items() if name not in GIVEN}
