"""The hyperparameters that a loss takes, read from its file without importing it.

Importing torch takes longer than planning the whole workflow, or than writing a table. What can be
seen of a loss that cannot train is said here too, before a job starts.
"""

import ast
from pathlib import Path

from ..plumbing.errors import UserError
from . import GIVEN

# What a loss that derives from one of these has to implement.
METHODS = {"Loss": "compute", "GeneralizedLoss": "terms"}


def parse(path: str | Path) -> ast.Module:
    """The statements of a file; a UserError names the line that is not Python."""
    try:
        return ast.parse(Path(path).read_bytes(), str(path))
    except SyntaxError as error:
        line = f", line {error.lineno}," if error.lineno else ""  # none for bytes that are no text
        raise UserError(f"{path}{line} is not Python: {error.msg}") from None


def find_loss(tree: ast.Module, path: str | Path) -> ast.ClassDef:
    """The one class of a file that derives from something of the package; others are helpers."""
    own = {
        alias.asname or alias.name.partition(".")[0]
        for node in tree.body
        if (isinstance(node, ast.ImportFrom) and (node.level or _is_own(node.module)))
        or (isinstance(node, ast.Import) and any(_is_own(alias.name) for alias in node.names))
        for alias in node.names
    }
    found = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).partition(".")[0] in own for base in node.bases)
    ]
    if not found:
        raise UserError(f"{path} has no loss: a class that derives from Loss or GeneralizedLoss")
    if len(found) > 1:
        names = ", ".join(node.name for node in found)
        raise UserError(f"{path} has several losses ({names}); give each a file of its own")
    return found[0]


def _is_own(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "spml"


def _check_methods(loss: ast.ClassDef, path: str | Path) -> None:
    """Refuse a loss without the method that its base class asks for."""
    bases = [ast.unparse(base).rpartition(".")[2] for base in loss.bases]
    wanted = METHODS.get(bases[0]) if len(bases) == 1 else None  # another may bring the method
    written = [node.name for node in loss.body if isinstance(node, ast.FunctionDef)]
    if wanted and wanted not in written:
        raise UserError(
            f"{path}, line {loss.lineno}: {loss.name} does not implement {wanted}, which every "
            f"{bases[0]} has to; write the method (workflow/spml/losses/base.py and framework.py "
            "say what it gets and returns)"
        )


def _check_constructor(constructor: ast.FunctionDef, loss: ast.ClassDef, path: str | Path) -> None:
    """Refuse a constructor that cannot be given sizes and hyperparameters by their names."""
    arguments = constructor.args
    named = {argument.arg for argument in arguments.kwonlyargs}
    others = [*arguments.posonlyargs, *arguments.args][1:]
    if others or arguments.vararg or arguments.kwarg or not named.issuperset(GIVEN):
        raise UserError(
            f"{path}, line {constructor.lineno}: the constructor of {loss.name} has to begin with "
            f"def __init__(self, *, {', '.join(GIVEN)}, and then name each hyperparameter"
        )


def _check_default(name: str, default: ast.expr, path: str | Path) -> None:
    """Refuse a default that only running the file could tell: exhibits and the report show it."""
    try:
        ast.literal_eval(default)
    except (ValueError, TypeError):
        raise UserError(
            f"{path}, line {default.lineno}: the default of {name} is {ast.unparse(default)}, "
            "which has to be computed; write the value itself, such as 0.5"
        ) from None


def loss_arguments(path: str | Path) -> dict[str, ast.expr | None]:
    """Each hyperparameter of the loss in ``path`` with its default; None for one without.

    A UserError names the file of a loss that could not be built or called.
    """
    loss = find_loss(parse(path), path)
    _check_methods(loss, path)
    for node in loss.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            _check_constructor(node, loss, path)
            pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            found = {name.arg: default for name, default in pairs if name.arg not in GIVEN}
            for name, default in found.items():
                if default is not None:
                    _check_default(name, default, path)
            return found
    return {}
