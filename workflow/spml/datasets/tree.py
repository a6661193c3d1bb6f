"""Finding the parts of an official tree, whether or not its outermost folder was kept."""

from pathlib import Path

from spml.plumbing.errors import UserError


def find(root: Path, *candidates: str) -> Path:
    """The first of ``candidates``, relative to ``root``, that exists."""
    for candidate in candidates:
        if (root / candidate).exists():
            return root / candidate
    raise UserError(
        f"{root} does not hold {' or '.join(candidates)}; it must be the tree as its makers "
        "distribute it"
    )
