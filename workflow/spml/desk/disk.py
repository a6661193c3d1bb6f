"""Whether the disk has room for what is still to be written, and what could be deleted."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spml.desk import sizes
from spml.desk.data import selected
from spml.desk.finding import FAIL, NOTE, OK, Finding, format_bytes
from spml.desk.workflow import running_here
from spml.planning import configuration, registry, shown
from spml.plumbing.addresses import CHECKPOINT, own_checkpoint, run_path
from spml.plumbing.errors import UserError

CHECKPOINTS = Path("data/checkpoints")
# Beside a checkpoint lie two files of entries where a run records them.
SUFFIXES = (".pt", ".entries", ".modified")
FINISHED, UNKNOWN = "finished", "not configured"
# Where a checkpoint is that nothing goes on from here, and what to do about it.
REMEDIES = {
    FINISHED: "{count} files of finished runs, which nothing needs; "
    "python -m spml.doctor --free deletes them",
    UNKNOWN: "{count} files of runs that are not configured; name their --configfile, or delete "
    "them below data/checkpoints if nobody wants to go on from them",
}


def _finished(run: configuration.Run) -> bool:
    return (run_path(*run) / "run.json").is_file()


def _existing(path: Path) -> Path:
    """The folder itself, or the one that it will be made in."""
    return path if path.exists() else _existing(path.absolute().parent)


def _needed(config: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Bytes still to be written below data and results, and what is of unknown size."""
    needed, unknown = {"data": 0.0, "results": 0.0}, []
    for dataset in selected(config):
        for name, size in sizes.missing_data(config, dataset).items():
            needed["data"] += size or 0
            if size is None:
                unknown.append(f"{name} of {dataset}")
    runs = [
        run
        for run in shown.reported_runs(config)
        if not _finished(run) and not configuration.is_given(config, run.method)
    ]
    for (dataset, protocol), count in Counter((run.dataset, run.protocol) for run in runs).items():
        size = sizes.weights_bytes(config, dataset, protocol)
        needed["results"] += count * (size or 0)
        if size is None and dataset in registry.real_datasets(config):
            unknown.append(f"{count} runs on {dataset}")
    return needed, unknown


def check_space(config: Mapping[str, Any]) -> list[Finding]:
    """Free space against need; data and results are added up where they share a disk."""
    needed, unknown = _needed(config)
    disks: dict[int, list[str]] = {}
    for folder in needed:
        disks.setdefault(_existing(Path(folder)).stat().st_dev, []).append(folder)
    findings = []
    for folders in disks.values():
        need = sum(needed[folder] for folder in folders)
        free = shutil.disk_usage(_existing(Path(folders[0]))).free
        text = (
            f"disk of {' and '.join(folders)}: {format_bytes(free)} free, {format_bytes(need)} "
            "still to be written"
        )
        if need > free:
            text += "; free some, link the folder to a larger disk, or select fewer datasets"
        findings.append(Finding(FAIL if need > free else OK, text))
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        findings.append(Finding(NOTE, f"disk: of unknown size: {', '.join(unknown[:3])}{more}"))
    return findings


class Needless(NamedTuple):
    """A file beside which no run will go on, and why."""

    path: Path
    why: str


def needless_checkpoints(config: Mapping[str, Any]) -> list[Needless]:
    """Checkpoints of runs that have finished, or that this configuration does not define."""
    found = []
    pattern = Path(CHECKPOINT).relative_to(CHECKPOINTS).parts
    folder = own_checkpoint(CHECKPOINTS)
    for path in sorted(folder.glob("/".join(["*"] * len(pattern)))):
        dataset, protocol, method = path.relative_to(folder).parts[:3]
        if path.suffix not in SUFFIXES or not path.stem.removeprefix("seed").isdecimal():
            continue
        run = configuration.Run(dataset, protocol, method, int(path.stem.removeprefix("seed")))
        known = (
            dataset in config["datasets"]
            and protocol in config["protocols"]
            and method in config["methods"]
        )
        if not known:
            found.append(Needless(path, UNKNOWN))
        elif _finished(run):
            found.append(Needless(path, FINISHED))
    return found


def check_checkpoints(config: Mapping[str, Any]) -> list[Finding]:
    """What checkpoints take that nothing goes on from."""
    needless = needless_checkpoints(config)
    if not needless:
        return [Finding(OK, "checkpoints: none that nothing needs")]
    found = []
    for why, remedy in REMEDIES.items():
        paths = [item.path for item in needless if item.why == why]
        if paths:
            size = format_bytes(sum(path.stat().st_size for path in paths))
            found.append(Finding(NOTE, f"checkpoints: {size}, {remedy.format(count=len(paths))}"))
    return found


def delete_needless_checkpoints(config: Mapping[str, Any]) -> str:
    """Delete those of finished runs and say how much that was.

    Runs that are not configured here may be those of another configuration file.
    """
    if running_here():
        raise UserError(
            "snakemake runs here, whose runs need their checkpoints; wait for it to end"
        )
    needless = [item for item in needless_checkpoints(config) if item.why == FINISHED]
    size = sum(item.path.stat().st_size for item in needless)
    for item in needless:
        item.path.unlink()
    return f"deleted {len(needless)} files of checkpoints, {format_bytes(size)}"
