"""Snakemake without its imports, which take longer than planning: a call is forked from this process.

Each line of standard input is a call in JSON; each line of standard output is its exit status.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
import threading

WHILE_PLANNING = ("snakemake.storage", "smart_open", "jsonschema")  # imported only then


class Timer(threading.Timer):
    """Snakemake leaves timers that have nothing more to do; these do not hold up its end."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.daemon = True


_status: list[int] = []  # of a call that has ended by itself


@atexit.register
def _leave() -> None:
    """End a call after all that is registered to be done then, of which this came first.

    Python would go on to take all that was imported apart, which takes a tenth of a second.
    """
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])


def call(
    folder: str,
    environment: dict[str, str],
    module: str,
    arguments: list[str],
    output: str,
    python: str,
) -> None:
    """Be ``python -m module`` with these arguments, which may end this process.

    python: what the module takes for the program that runs it.
    """
    gc.disable()  # it ends soon, and looking for garbage takes a tenth of the time of planning
    written = os.open(output, os.O_WRONLY)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(written, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [folder, *map(os.path.abspath, paths)]
    sys.argv[1:] = arguments
    sys.executable = python
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _status.append(end.code or 0)
        raise
    _status.append(0)


if __name__ == "__main__":
    from snakemake.cli import get_argument_parser

    threading.Timer = Timer
    get_argument_parser()  # imports the plugins
    for module in WHILE_PLANNING:
        importlib.import_module(module)
    gc.freeze()  # or each call would go through all that was imported
    for line in sys.stdin:
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            call(**json.loads(line))
            sys.exit()
