"""Jobs run with the Python that runs Snakemake, not with whatever `python` comes first on the path.

With an environment a step (--sdm), Snakemake activates that before the command.
"""

import shlex
import sys
from pathlib import Path

if not workflow.deployment_settings.deployment_method:
    shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")
