"""Learning from single-positive labels: one module per stage of the workflow.

For a training loop of one's own: ``spml.method`` is that of :mod:`spml.library`.
"""

import gc
import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spml.library import method

__all__ = ["method"]

# With ``python -m spml.<stage>`` this runs before the stage is imported, which may take seconds. A
# program that imports this package is left as it is, modules that are run in this way among them.
if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].startswith(f"{__name__}."):
    # Nothing that is imported becomes garbage; looking for it takes a fifth of importing torch.
    gc.disable()
    # Ctrl-C ends the process at once; from run_command on it is an exception again.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # When it is asked for, since it imports torch; by a computed name, since no stage needs it.
    return getattr(importlib.import_module(f"{__name__}.library"), name)
