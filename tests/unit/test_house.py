"""A folder says what an edit costs: what lives where, and who may import whom."""

from pathlib import Path

from requirements_closure import stages
from spml.plumbing.sources import charged_files, imported_files

ROOT = Path("workflow/spml")
# An import goes down, or stays on its floor.
FLOORS = {
    "export_onnx": 8,
    "library": 8,
    "plan": 8,
    "predict": 8,
    "show": 8,
    "doctor": 8,
    "desk": 7,
    "planning": 6,
    "stages": 5,
    "report": 4,
    "exhibits": 3,
    "training": 3,
    "losses": 2,
    "datasets": 2,
    "data": 2,
    "measures": 2,
    "plumbing": 1,
}
COMMANDS = ("stages", *(name for name, floor in FLOORS.items() if floor == 8))
FILES = sorted(path for path in ROOT.glob("**/*.py") if path != ROOT / "__init__.py")


def module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(path: Path) -> str:
    """The wing of a file, or of a command its name if it is a person's, else ``stages``."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return first if first in FLOORS else "stages"


def imports(path: Path) -> set[Path]:
    """The other files that importing a file imports, directly or not."""
    found = {Path(name) for name in imported_files("workflow", module(path))}
    return found - {path, ROOT / "__init__.py"}


def test_imports_go_down():
    for path in FILES:
        for other in imports(path):
            assert FLOORS[place(other)] <= FLOORS[place(path)], f"{path} imports {other}"


def test_wings_of_one_floor_do_not_import_each_other():
    arrows = {(place(path), place(other)) for path in FILES for other in imports(path)}
    circles = {(one, other) for one, other in arrows if one != other and (other, one) in arrows}
    assert not circles


def test_no_module_imports_itself_through_others():
    for path in FILES:
        for other in imports(path):
            assert path not in imports(other), f"{path} and {other} import each other"


def test_plumbing_imports_nothing_but_plumbing():
    for path in (ROOT / "plumbing").glob("*.py"):
        assert {place(other) for other in imports(path)} <= {"plumbing"}, path


def test_no_job_imports_what_planning_or_a_person_asks():
    assert len(stages()) > 40
    for stage in stages():
        found = {place(Path(path)) for path in imported_files("workflow", stage.module)}
        assert not found & {"planning", "desk"}, stage.module


def test_no_job_is_charged_for_plumbing():
    for stage in stages():
        charged = {place(Path(path)) for path in charged_files("workflow", stage.module)}
        assert "plumbing" not in charged, stage.module


def test_no_command_is_imported_by_another_module():
    commands = {path for path in FILES if place(path) in COMMANDS}
    commands |= {ROOT / "datasets/export.py", ROOT / "report/__main__.py"}
    for path in FILES:
        assert not imports(path) & commands, path


def test_what_training_imports_is_listed_so_that_it_does_not_grow_unseen():
    charged = {
        str(Path(path).relative_to(ROOT)) for path in charged_files("workflow", "spml.train")
    }
    assert charged == {
        "__init__.py",
        "train.py",
        "data/__init__.py",
        "data/decode.py",
        "data/labels.py",
        "data/matrices.py",
        "data/observation.py",
        "data/packed.py",
        "losses/__init__.py",
        "losses/base.py",
        "measures/__init__.py",
        "measures/metrics.py",
        "measures/selection.py",
        "training/__init__.py",
        "training/checkpoint.py",
        "training/devices.py",
        "training/energy.py",
        "training/engine.py",
        "training/entries.py",
        "training/forward.py",
        "training/images.py",
        "training/label_rows.py",
        "training/linear_init.py",
        "training/loading.py",
        "training/models.py",
        "training/optimizers.py",
        "training/precision.py",
        "training/provenance.py",
        "training/randomness.py",
        "training/row_adam.py",
        "training/trace.py",
    }
