"""nginx on the loopback address: a real web server with ranges, for downloads in tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

CONFIGURATION = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    log_format short '$request_uri $status $body_bytes_sent';
    access_log {folder}/access.log short;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary;
    uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


class WebServer:
    """A running server: its address, and what was asked of it."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self._log = log
        self._questions = 0

    def answers(self) -> list[tuple[str, int, int]]:
        """Path, status and bytes of each answer so far.

        A line may be logged after its answer has arrived. Its one worker logs in order, so once a
        last question of our own is in the log, all before it are.
        """
        self._questions += 1
        last = f"/last/{self._questions}"
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(self.address + last)
        while f"{last} " not in self._log.read_text():
            os.sched_yield()
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [(p, int(status), int(size)) for p, status, size in lines if "/last/" not in p]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(folders: Mapping[str, Path], folder: Path) -> Iterator[WebServer]:
    """Serve each of ``folders`` under its name; logs and temporary files go to ``folder``."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None or shutil.which("curl") is None:
        pytest.skip("nginx (package nginx-light) or curl is not installed")
    port = free_port()
    locations = "\n".join(f"location /{n}/ {{ alias {p}/; }}" for n, p in folders.items())
    text = CONFIGURATION.format(
        folder=folder, port=port, locations=locations, user="user root;" if not os.getuid() else ""
    )
    (folder / "nginx.conf").write_text(text)
    command = [program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    # It goes to the background once it listens.
    subprocess.run(command, check=True)
    try:
        yield WebServer(f"http://127.0.0.1:{port}", folder / "access.log")
    finally:
        subprocess.run([*command, "-s", "quit"], check=True)
