"""What many tests look at, made once for all of them."""

import fcntl
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkouts import ROOT, Checkout, end_imported, tracked_files

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in the background; all that tests start would ignore Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
MAKEFILE = ROOT / "Makefile"
gc.disable()  # nothing of what test files import becomes garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest come first, or at the end one process would work alone."""
    items.sort(
        key=lambda item: (item.path.parent.name != "workflow", item.path.name != "test_slurm.py")
    )


def pytest_collection_finish() -> None:
    """Look for garbage from now on, and never again among all that was imported."""
    gc.freeze()
    gc.enable()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session", autouse=True)
def _end_imported() -> Iterator[None]:
    yield
    end_imported()


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function that has a folder of a name made, and gives its path.

    Worker processes share it: the first that needs it makes it, and the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with _locked(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def pristine(once) -> Checkout:
    """A checkout in which nothing has run; tests do not change it."""

    def make(root: Path) -> None:
        for name in tracked_files():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)

    return Checkout(once("pristine", make))


@pytest.fixture(scope="session")
def finished(pristine, once) -> Checkout:
    """A checkout in which everything has run; tests do not change it."""
    return Checkout(once("finished", lambda path: pristine.copy(path).snakemake()))


@pytest.fixture(scope="session")
def guides(once) -> Path:
    """The site that `make docs` makes."""
    [words] = re.findall(
        r"^\tpython (-m sphinx .+) build/docs$", MAKEFILE.read_text(), re.MULTILINE
    )

    def make(folder: Path) -> None:
        command = [sys.executable, *words.split(), str(folder)]
        subprocess.run(command, cwd=ROOT, check=True)

    return once("guides", make)


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A finished checkout of the test's own."""
    return finished.copy(tmp_path / "checkout")
