"""Snakemake that asks after submitted jobs every half second.

The SLURM executor waits ten seconds longer after each time that nothing had ended.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def shortly(self: RemoteExecutor) -> None:
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    RemoteExecutor.sleep = shortly
    main()
