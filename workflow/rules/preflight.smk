"""The configuration, checked before Snakemake reads it: a mistake is one sentence.

And a warning, before the first job, where Snakemake was told not to look at what results rest on.
"""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

try:
    from workflow.spml.planning import preflight
    from workflow.spml.planning.files import named_files, refuse_repeated
    from workflow.spml.plumbing.errors import UserError
except ModuleNotFoundError as error:
    if error.name not in ("workflow", "workflow.spml"):
        raise
    raise WorkflowError(
        "this Snakefile needs the rest of its repository: clone it, and run in the clone's folder"
    ) from None

try:
    preflight.require_own_folder(workflow.modifier.path_modifier.replace_prefix)
    refuse_repeated(sys.argv[1:])
    if workflow.modifier.skip_configfile:  # a module with a config: of its own, which comes last
        checked = preflight.check(named_files(), module=config)
    else:
        checked = preflight.check(
            [
                *(named_files() if not workflow.config_settings.replace_workflow_config else []),
                *(os.path.relpath(path) for path in workflow.overwrite_configfiles),
            ],
            command_line=workflow.config_settings.config,
        )
except UserError as error:
    raise WorkflowError(str(error)) from None

if workflow.is_main_process and (left_out := preflight.notice(checked)):
    logger.warning(left_out)


# Not above, because Snakemake does not know its triggers yet when it reads this file.
onstart:
    if overlooked := preflight.overlooked(trigger.name for trigger in workflow.rerun_triggers):
        logger.warning(overlooked)
