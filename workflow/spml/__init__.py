"""Learning from single-positive labels: one module per stage of the workflow."""

import signal
import sys

# With ``python -m spml.<stage>`` this runs before the stage is imported, which may take seconds.
# Ctrl-C then ends the process at once; from run_command on it is an exception again.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
