"""The built package: what is in it, and that what it declares is enough to use it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import requirements_closure as closure
from checkouts import ROOT, tracked_files
from gpu.bare_python import needed

OF_SNAKEMAKE = "snakemake-interface-logger-plugins"  # comes with it
DEFINITIONS = ("datasets.yaml", "methods.yaml", "protocols.yaml")


@pytest.fixture(scope="session")
def dist(once) -> Path:
    """What `make dist` builds, the wheel from the source distribution, in a copy of the project."""

    def make(folder: Path) -> None:
        for name in tracked_files():
            if name.split("/")[0] in ("workflow", "config") or "/" not in name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name != ".locked":
                (folder / ".venv" / path.name).symlink_to(path)
        (folder / "envs").mkdir()
        (folder / "envs/requirements.lock").touch()
        (folder / ".venv/.locked").touch()
        inherited = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
        plain = {key: value for key, value in os.environ.items() if key not in inherited}
        subprocess.run(["make", "dist"], cwd=folder, env=plain, check=True)

    return once("package", make) / "dist"


@pytest.fixture(scope="session")
def wheel(dist) -> zipfile.ZipFile:
    [path] = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_the_modules_and_the_workflow_s_own_definitions(wheel):
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    folders = ("workflow/spml/", "workflow/snakemake_logger_plugin_spml/")
    tracked = {name for name in tracked_files() if name.startswith(folders)}
    modules = {name.removeprefix("workflow/") for name in tracked}
    assert found == modules | {f"spml/config/{name}" for name in DEFINITIONS}
    for name in DEFINITIONS:
        assert wheel.read(f"spml/config/{name}") == (ROOT / "config" / name).read_bytes()


def test_source_distribution_holds_what_the_wheel_is_built_from(dist):
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {f"config/{name}" for name in DEFINITIONS} | {"LICENSE", "README.md", "setup.py"}
    assert names >= wanted | {"workflow/spml/losses/gr.py", "pyproject.toml"}
    assert not {name.split("/")[0] for name in names} & {"tests", "results", "data", ".venv"}


PROGRAM = """
import importlib.util, json, sys
import spml.losses, spml.measures.metrics, spml.measures.streaming
import numpy, torch
logits, observed = torch.zeros(2, 3, requires_grad=True), torch.eye(2, 3)
values = []
for name in spml.losses.names():
    spml.losses.loss_class(name)  # imports it
asl = spml.losses.build("asl", num_classes=3)
asl(logits, observed).backward()
without_yaml = "yaml" not in sys.modules
loss = spml.method("ll_cp", dataset="coco", num_classes=3, num_examples=2)
value = loss(logits, observed, index=torch.arange(2), epoch=2)
metric = spml.measures.streaming.MultilabelAveragePrecision(num_labels=3)
metric.update(logits, observed)
print(json.dumps({
    "file": spml.__file__,
    "value": value.item(),
    "rate": float(loss.rate),
    "map": metric.compute(),
    "without_yaml": without_yaml,
    "others": [n for n in ("sklearn", "pandas", "scipy", "torchvision", "tqdm", "snakemake")
               if importlib.util.find_spec(n)],
}))
"""


def declared(wheel: zipfile.ZipFile, extra: str | None = None) -> set[str]:
    """The packages that the wheel says it requires, of itself or with an extra."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    lines = Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist")
    marker = f'extra == "{extra}"'
    wanted = [line for line in lines if (marker in line if extra else "extra ==" not in line)]
    return {closure.normalized(re.match(r"[\w.-]+", line)[0]) for line in wanted}


def link_packages(packages: set[str], target: Path) -> None:
    """Installed packages as links in another environment: a copy of torch would be gigabytes."""
    from importlib.metadata import distributions

    for package in distributions():
        if closure.normalized(package.name) in packages:
            for top in {file.parts[0] for file in package.files or ()}:
                source = Path(str(package.locate_file(top)))
                if top not in ("..", "__pycache__") and not (target / top).exists():
                    (target / top).symlink_to(source)


def test_installed_with_what_it_declares_it_works(dist, wheel, tmp_path):
    """In a new environment with these packages, and with none that losses do not need."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare/bin/python"
    [site] = (tmp_path / "bare/lib").glob("python*/site-packages")
    [path] = dist.glob("*.whl")
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--offline", "--no-deps", "--python", python, path]
    subprocess.run(command, check=True, capture_output=True)
    link_packages(needed(sorted(declared(wheel))), site)
    done = subprocess.run(
        [python, "-c", PROGRAM], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["file"]).parents[1] == site
    assert found["others"] == []
    assert found["without_yaml"]
    assert found["rate"] == 0.002
    assert found["value"] == pytest.approx(0.6931472)  # log 2, whatever is corrected
    assert found["map"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)  # ties; a class without positives


def test_extra_of_the_workflow_is_what_all_of_it_imports(wheel):
    imported = closure.packages_of((ROOT / "workflow/spml").glob("**/*.py"))
    imported -= {OF_SNAKEMAKE}
    assert declared(wheel) | declared(wheel, "workflow") | declared(wheel, "onnx") == imported
    assert OF_SNAKEMAKE in needed(["snakemake"])
