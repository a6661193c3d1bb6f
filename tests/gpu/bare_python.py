"""A Python with the packages of the GPU check alone, which has imported them already.

    python bare_python.py serve SOCKET     answers until it is killed
    python bare_python.py run SOCKET ...   is `python ...`, forked from the one that serves

Importing torch takes longer than most parts of the check with a test's images. Packages that the
four do not need themselves cannot be imported, whatever else is installed.
"""

import json
import os
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "numpy", "pytest")
IMPORTED_LATER = ("torch._dynamo", "torch.utils.data", "torchvision.transforms", "PIL.Image")


def run(path: str, arguments: list[str]) -> None:
    call = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(call).encode()], [0, 1, 2])
        # Nothing is answered where the process was killed.
        sys.exit(int(connection.recv(16) or 1))


# --------------------------------------------------------------------------------------------------
# The packages
# --------------------------------------------------------------------------------------------------


def normalized(name: str) -> str:
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def needed(packages: Sequence[str] = PACKAGES) -> set[str]:
    """The packages with all that they require, as PyPI spells them."""
    import re
    from importlib.metadata import PackageNotFoundError, distribution

    found, waiting = set(), list(packages)
    while waiting:
        name = normalized(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:  # of another system
            continue
        waiting += [re.match(r"[\w.-]+", r)[0] for r in required if "extra ==" not in r]
    return found


def others() -> set[str]:
    """What the other installed packages are imported as."""
    from importlib.metadata import distributions

    names: dict[bool, set[str]] = {True: set(), False: set()}
    here = needed()
    for package in distributions():
        files = [file for file in package.files or () if file.suffix in (".py", ".so")]
        names[normalized(package.name) in here].update(f.parts[0].split(".")[0] for f in files)
    return names[False] - names[True]


class WithoutOthers(PathFinder):
    """The usual finder, to which the other packages are not there."""

    names: frozenset[str] = frozenset()

    @classmethod
    def find_spec(cls, name: str, *where: Any) -> ModuleSpec | None:
        return None if name in cls.names else super().find_spec(name, *where)


# --------------------------------------------------------------------------------------------------
# The process that serves
# --------------------------------------------------------------------------------------------------


def be_python(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Do what ``python ARGUMENTS`` does."""
    import runpy

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = environment["PYTHON"]  # what this process starts is forked too
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    first, *rest = arguments
    if first == "-m":
        sys.path.insert(0, folder)
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(first).resolve().parent))
        sys.argv = arguments
        runpy.run_path(first, run_name="__main__")


def exit_status(call: dict[str, Any]) -> int:
    """What the call would end with as a process of its own."""
    try:
        be_python(**call)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def answer(connection: socket.socket) -> None:
    call, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    status = exit_status(json.loads(call))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.send(str(status).encode())
    os._exit(0)  # taking all that was imported apart takes as long as a small part of the check


def serve(path: str) -> None:
    import gc
    import importlib

    WithoutOthers.names = frozenset(others())
    sys.meta_path[:] = [WithoutOthers if f is PathFinder else f for f in sys.meta_path]
    for name in (*PACKAGES, *IMPORTED_LATER):
        importlib.import_module(name)
    sys.path.remove(str(Path(__file__).parent))
    gc.freeze()  # or each process would go through all that was imported
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            if not os.fork():
                answer(connection)
            # Not waited for, since a call may make another one.
            connection.close()


if __name__ == "__main__":
    _, what, address, *given = sys.argv
    if what == "serve":
        serve(address)
    else:
        run(address, given)
