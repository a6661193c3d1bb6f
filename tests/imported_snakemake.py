"""Snakemake without its imports, which take longer than planning: a call is forked from this process.

Each line of standard input is a call in JSON; each line of standard output is its exit status.
"""

import gc
import importlib
import json
import os
import sys

from snakemake.cli import get_argument_parser, main

WHILE_PLANNING = ("snakemake.storage", "smart_open", "jsonschema")  # imported only then


def call(folder: str, environment: dict[str, str], arguments: list[str], output: str) -> None:
    """Be ``python -m snakemake`` with these arguments, which ends this process."""
    written = os.open(output, os.O_WRONLY)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(written, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = ["snakemake", *arguments]
    sys.exit(main())


if __name__ == "__main__":
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
