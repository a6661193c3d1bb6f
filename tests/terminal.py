"""A command in a terminal: what it prints there, and what a person sees of it at the end."""

import fcntl
import os
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

CTRL_C = b"\x03"


def run_in_terminal(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    interrupt_at: str = "",
) -> tuple[int, str]:
    """The exit status and all that is printed; Ctrl-C is pressed once ``interrupt_at`` has been."""
    terminal, inside = os.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        # Of this terminal, so that what is pressed there is a signal for it and for its children.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    printed, wanted = b"", interrupt_at.encode()
    while True:
        try:
            printed += os.read(terminal, 65536)
        except OSError:  # nobody has it open any more
            break
        if wanted and wanted in printed:
            os.write(terminal, CTRL_C)
            wanted = b""
    os.close(terminal)
    return process.wait(), printed.decode().replace("\r\n", "\n")


def seen(printed: str) -> list[str]:
    """Lines as they stand in the end, in which a carriage return has gone back to the beginning."""
    lines = []
    for line in printed.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return [line for line in lines if line]
