"""The configuration, checked before Snakemake reads it: a mistake is one sentence.

And a warning, before the first job, where Snakemake was told not to look at what results rest on.
"""

import os

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from workflow.spml.planning import preflight
from workflow.spml.planning.files import named_files
from workflow.spml.plumbing.errors import UserError

try:
    preflight.check(
        [
            *(named_files() if not workflow.config_settings.replace_workflow_config else []),
            *(os.path.relpath(path) for path in workflow.overwrite_configfiles),
        ],
        command_line=workflow.config_settings.config,
    )
except UserError as error:
    raise WorkflowError(str(error)) from None


# Not above, because Snakemake does not know its triggers yet when it reads this file.
onstart:
    if overlooked := preflight.overlooked(trigger.name for trigger in workflow.rerun_triggers):
        logger.warning(overlooked)
