"""A ``python`` for jobs without their imports, which take longer than what most of them do in tests.

    python imported_stages.py FOLDER    writes FOLDER/python; serves it until standard input ends

Stages of the workflow are forked from this process; all else is python as it is.
"""

import gc
import importlib
import json
import os
import selectors
import socket
import sys
from contextlib import suppress
from pathlib import Path

from imported_snakemake import call

# What more than one stage imports from elsewhere.
PACKAGES = (
    *("numpy", "pandas", "scipy.stats", "torch", "torch.utils.data", "torchvision", "tqdm"),
    *("matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg", "seaborn"),
)

# Its output is opened anew, which leaves the same file where a job's output goes to one of its own.
CLIENT = """\
#!{python} -IS
import json, os, socket, sys

_, *words = sys.argv
if words[:1] != ["-m"] or not words[1].startswith("spml."):
    os.execv("{python}", ["{python}", *words])
request = {{
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "module": words[1],
    "arguments": words[2:],
    "python": "{python}",
    "output": f"/proc/{{os.getpid()}}/fd/1",
}}
with socket.socket(socket.AF_UNIX) as server:
    server.connect("{address}")
    server.sendall(json.dumps(request).encode() + b"\\n")
    sys.exit(int(server.makefile().read()))
"""


def answer(connection: socket.socket) -> None:
    """Run what a client asks for in a process of its own, and tell its exit status."""
    request = json.loads(connection.makefile().readline())
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status) & 255).encode())
        os._exit(0)  # to take torch apart would take half a second
    connection.close()
    call(**request)
    sys.exit()


def wait_for_children(options: int = 0) -> None:
    with suppress(ChildProcessError):  # there are no more
        while os.waitpid(-1, options)[0]:
            pass


def serve(folder: Path) -> None:
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as selector:
        server.bind(str(address))
        server.listen()
        client = CLIENT.format(python=sys.executable, address=address)
        (folder / "python").write_text(client)
        (folder / "python").chmod(0o755)
        print(flush=True)  # it can be used, though its first call waits for what follows
        for name in PACKAGES:
            importlib.import_module(name)
        gc.freeze()  # or each call would go through all that was imported
        selector.register(server, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not any(key.fileobj is sys.stdin for key, _ in selector.select()):
            connection, _ = server.accept()
            if not os.fork():
                answer(connection)
            connection.close()
            wait_for_children(os.WNOHANG)
    wait_for_children()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
