import shutil
import sys
from pathlib import Path

import pytest
import spml.losses


@pytest.fixture
def write_loss(monkeypatch, tmp_path):
    """A function that adds a file, `mine` unless named, to a copy of the package, and gives its path."""
    folder = tmp_path / "losses"
    shutil.copytree(
        Path(spml.losses.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(spml.losses, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr(spml.losses, "__path__", [str(folder)])
    written = []

    def write(text, name="mine"):
        path = folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        written.append(name)
        # The package may have a loss of that name, which another test has imported.
        sys.modules.pop(f"spml.losses.{name}", None)
        return path

    yield write
    for name in written:
        sys.modules.pop(f"spml.losses.{name}", None)
