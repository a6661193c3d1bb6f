"""Learning from single-positive labels: one module per stage of the workflow."""

import gc
import signal
import sys

# With ``python -m spml.<stage>`` this runs before the stage is imported, which may take seconds.
if sys.argv[:1] == ["-m"]:
    # Nothing that is imported becomes garbage; looking for it takes a fifth of importing torch.
    gc.disable()
    # Ctrl-C ends the process at once; from run_command on it is an exception again.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
