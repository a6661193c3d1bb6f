"""The exceptions that are shown to a user as a sentence instead of a stack trace."""

import gc
import io
import os
import signal
import sys
from collections.abc import Callable

# EX_TEMPFAIL of sysexits.h: the same command, called again, goes on where this one stopped.
INTERRUPTED = 75


class UserError(Exception):
    """Something that the user can mend; the text says what is wrong, where, and what to do."""


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """The process was asked to stop and has saved its state; the text says what it had done."""


def run_command(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` and end the process; exceptions become a sentence and a status.

    1 after a :class:`UserError`, :data:`INTERRUPTED` after an :class:`Interrupted`.
    """
    # What was imported stays to the end, and need not be looked through for garbage.
    gc.freeze()
    gc.enable()
    # What the output's encoding lacks, such as the dash of an empty cell, becomes a question mark.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        # Until now it has ended the process at once; an ignored one stays ignored.
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
        # All is written. Taking torch to pieces would take a third of a second more.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    except KeyboardInterrupt:
        sys.exit(130)  # what shells report for Ctrl-C
    except BrokenPipeError:
        # Whoever read the output, such as head, has had enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        sys.exit(f"error: {error}")
    except Interrupted as stop:
        print(f"interrupted: {stop}", file=sys.stderr)
        sys.exit(INTERRUPTED)
