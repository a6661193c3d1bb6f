"""The runs of a report, from their own records, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spml.exhibits.markdown import Table
from spml.plumbing.addresses import run_path
from spml.plumbing.checksums import verified
from spml.plumbing.files import read_json, read_json_lines
from spml.plumbing.run_settings import check_record


@dataclass(frozen=True)
class Run:
    """One training run.

    record, metrics: run.json and metrics.json. curve: validation mAP in percent after each epoch.
    measured: Snakemake's benchmark of the whole job; seconds and MB.
    """

    dataset: str
    protocol: str
    method: str
    seed: int
    name: str
    folder: Path
    record: dict[str, Any]
    metrics: dict[str, Any]
    curve: list[float]
    measured: dict[str, Any]

    @property
    def place(self) -> tuple[str, str]:
        return self.dataset, self.protocol

    @property
    def is_trained(self) -> bool:
        """Whether it was trained here; else its scores were made elsewhere."""
        return self.record["settings"]["loss"] is not None

    @property
    def commit(self) -> str:
        if not self.is_trained:
            return "not trained here"
        commit = self.record["git_commit"][:12] or "not in a git repository"
        told = f"{commit} with uncommitted changes" if self.record["git_dirty"] else commit
        copied = self.record.get("copy_of")
        return f"{told}; same settings as {copied}, copied from there" if copied else told

    def files(self) -> list[Path]:
        """What lies in its folder."""
        return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))


def read_runs(
    groups: Sequence[dict[str, Any]],
    names: Mapping[str, str],
    benchmarks: Path,
    made_with: Mapping[str, Any],
) -> list[Run]:
    """All runs, in the order of ``names``; one that was made with other settings is a UserError.

    groups: dataset, protocol and the seeds of each method. names: those of the methods.
    benchmarks: the folder of training's benchmarks. made_with: the settings that the runs have by
    the configuration, in short (:mod:`spml.plumbing.run_settings`).
    """
    result = []
    for group in groups:
        dataset, protocol = group["dataset"], group["protocol"]
        for method, name in names.items():
            for seed in group["seeds"].get(method, []):
                folder = run_path(dataset, protocol, method, seed)
                job = benchmarks / dataset / protocol / method / f"seed{seed}.jsonl"
                history = read_json_lines(folder / "history.jsonl")
                record = read_json(folder / "run.json")
                check_record(record, made_with, folder, (dataset, protocol, method))
                result.append(
                    Run(
                        dataset=dataset,
                        protocol=protocol,
                        method=method,
                        seed=seed,
                        name=name,
                        folder=folder,
                        record=record,
                        metrics=read_json(verified(folder / "metrics.json")),
                        curve=[epoch["val_map"] for epoch in history],
                        measured=read_json_lines(job)[-1],
                    )
                )
    return result


def by_place(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """The runs under each dataset and protocol."""
    places: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        places.setdefault(run.place, []).append(run)
    return places


def by_method(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method."""
    methods: dict[str, list[Run]] = {}
    for run in runs:
        methods.setdefault(run.method, []).append(run)
    return methods


def cost_table(runs: Sequence[Run]) -> Table:
    """Time and memory of each method's runs; columns that would say nothing are left out."""
    several = len(by_place(runs)) > 1
    on_gpu = any(run.record["peak_device_memory_mb"] for run in runs)
    rows = []
    for (dataset, protocol), here in by_place(runs).items():
        for group in by_method(here).values():
            seconds = [run.measured["s"] for run in group]
            processor = [run.measured["cpu_time"] for run in group]
            row = [group[0].name, *([dataset, protocol] if several else []), str(len(group))]
            row += [f"{sum(seconds) / len(seconds):.1f}", f"{sum(processor) / len(processor):.1f}"]
            row += [f"{sum(seconds):.1f}", f"{max(run.measured['max_rss'] for run in group):.0f}"]
            if on_gpu:
                row.append(f"{max(run.record['peak_device_memory_mb'] for run in group)}")
            rows.append(row)
    header = ["Method", *(["Dataset", "Protocol"] if several else []), "Runs"]
    header += ["Mean time (s)", "Mean processor time (s)", "Total time (s)", "Peak memory (MB)"]
    return Table([*header, "Peak GPU memory (MB)"] if on_gpu else header, rows)
