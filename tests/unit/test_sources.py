"""What a stage really imports must be what its rule declares as inputs."""

import subprocess
import sys
from pathlib import Path

import pytest
from spml.planning.checks import loss_hyperparameters
from spml.plumbing.sources import imported_files

# What the stages import from elsewhere is imported once; the package is forgotten before each group.
REPORT_IMPORTS = """
import importlib, sys
package = lambda: [name for name in sys.modules if name.split(".")[0] == "spml"]
for group in sys.argv[1:]:
    for name in package():
        del sys.modules[name]
    for name in group.split(","):
        importlib.import_module(name)
    print("|".join(filter(None, (getattr(sys.modules[name], "__file__", "") for name in package()))))
"""

MODULES = sorted(
    ".".join(path.relative_to("workflow").with_suffix("").parts)
    for pattern in ("*.py", "exhibits/*.py", "report/__main__.py")
    for path in Path("workflow/spml").glob(pattern)
    if path.stem != "__init__"
)


def really_imported(groups: list[tuple[str, ...]]) -> list[set[Path]]:
    """The files of the package that importing each group of modules imports."""
    command = [sys.executable, "-c", REPORT_IMPORTS, *map(",".join, groups)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="workflow")
    assert done.returncode == 0, done.stderr
    return [{Path(file).resolve() for file in line.split("|")} for line in done.stdout.splitlines()]


def declared(*modules: str) -> set[Path]:
    return {Path(path).resolve() for path in imported_files("workflow", *modules)}


def test_every_stage_imports_only_what_its_rule_declares():
    losses = loss_hyperparameters("workflow/spml/losses")
    groups = [(module,) for module in MODULES]
    groups += [("spml.train", f"spml.losses.{loss}") for loss in losses]
    for group, imported in zip(groups, really_imported(groups), strict=True):
        assert imported <= declared(*group), group


HIDDEN = """
if TYPE_CHECKING:
    from spml import unused
try:
    from spml import g
except ImportError:
    from spml import h
else:
    with open("") as file:
        from spml import i
finally:
    if file:
        pass
    else:
        from spml import j
match file:
    case None:
        from spml import k
class C:
    async def f(self):
        async for x in y:
            from spml import l
"""


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / "spml" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_follows_every_form_of_import(tmp_path):
    root = write(
        tmp_path,
        {
            "__init__.py": "",
            "stage.py": "import spml.a\ndef late():\n    from spml import b\n" + HIDDEN,
            "a.py": "from .parts import c\n",
            "b.py": "import numpy\n",
            "parts/__init__.py": "from . import d\n",
            "parts/c.py": "from ..e import value\n",
            "parts/d.py": "",
            "e.py": "value = 1\n",
            **{f"{name}.py": "" for name in "ghijkl"},
            "unused.py": "",
        },
    )
    found = {
        str(Path(path).relative_to(tmp_path / "spml"))
        for path in imported_files(root, "spml.stage")
    }
    assert found == {
        "__init__.py", "stage.py", "a.py", "b.py", "e.py",
        "parts/__init__.py", "parts/c.py", "parts/d.py",
        *(f"{name}.py" for name in "ghijkl"),
    }  # fmt: skip


def test_unknown_module_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"spml\.nowhere"):
        imported_files(write(tmp_path, {"__init__.py": ""}), "spml.nowhere")
