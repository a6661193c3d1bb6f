"""The hyperparameters that a loss takes, read from its file without importing it.

Importing torch takes longer than planning the whole workflow, or than writing a table.
"""

import ast
from pathlib import Path

from .errors import UserError

SHARED = {"num_classes", "num_examples", "total_epochs"}  # given to every loss


def loss_arguments(path: str | Path) -> dict[str, ast.expr | None]:
    """Each hyperparameter of the loss in ``path`` with its default; None for one without.

    A file without a class is a UserError.
    """
    tree = ast.parse(Path(path).read_text(encoding="utf-8"), str(path))
    if not any(isinstance(node, ast.ClassDef) for node in tree.body):
        raise UserError(f"{path} has no loss: a class that derives from Loss or GeneralizedLoss")
    constructors = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    if not constructors:
        return {}
    arguments = constructors[0].args
    return {
        argument.arg: default
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if argument.arg not in SHARED
    }
