"""Snakemake finds a logger by the name of an installed package: ``--logger spml`` is this one."""

from spml.desk.console import LogHandler, LogHandlerSettings

__all__ = ["LogHandler", "LogHandlerSettings"]
