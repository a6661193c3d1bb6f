"""Copies of this checkout for tests that need one, made once for all of them."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkouts import ROOT, Checkout, end_imported_snakemake, tracked_files


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session", autouse=True)
def _end_imported_snakemake() -> Iterator[None]:
    yield
    end_imported_snakemake()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Checkout:
    """A checkout in which nothing has run; tests do not change it."""
    root = tmp_path_factory.mktemp("pristine") / "checkout"
    for name in tracked_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    return Checkout(root)


@pytest.fixture(scope="session")
def finished(pristine, tmp_path_factory) -> Checkout:
    """A checkout in which everything has run; tests do not change it.

    Worker processes share it: the first that needs it makes it, and the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    checkout, done = Checkout(folder / "finished"), folder / "finished.done"
    with _locked(folder / "finished.lock"):
        if not done.exists():
            shutil.rmtree(checkout.path, ignore_errors=True)
            pristine.copy(checkout.path).snakemake()
            done.touch()
    return checkout


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A finished checkout of the test's own."""
    return finished.copy(tmp_path / "checkout")
