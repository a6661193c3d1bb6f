"""What the runs of each method cost: time, memory, and energy where the device tells."""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase, join_words, method_titles, seeds_phrase
from spml.exhibits.table import table_command
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a run: seconds, images per second, memory in MB, GPU-hours, and energy in kJ."""
    rows = []
    for block in blocks(settings):
        for method in method_titles(settings):
            for seed in settings["seeds"]:
                run = run_path(block.dataset, block.protocol, method, seed)
                record = read_json(run / "run.json")
                energy = record.get("energy_joules")
                row = block_columns(
                    block,
                    method=method,
                    seed=seed,
                    device=record["device"],
                    seconds=record["seconds"],
                    gpu_hours=record["seconds"] / 3600 if record["device"] != "cpu" else 0.0,
                    images_per_second=record["images_per_second"],
                    host_memory_mb=record["peak_host_memory_mb"],
                    device_memory_mb=record["peak_device_memory_mb"],
                    energy_kj=None if energy is None else energy / 1000,
                )
                rows.append(row)
    return pd.DataFrame(rows).astype({"energy_kj": float})


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol; columns that would say nothing are left out."""
    titles = method_titles(settings)
    shown = blocks(settings)
    on_gpu, metered = frame["gpu_hours"].any(), frame["energy_kj"].notna().any()
    header = ["Method", "Runs", "Mean time (s)", "Images per second", "Peak host memory (MB)"]
    header += ["Peak GPU memory (MB)", "GPU-hours"] if on_gpu else []
    header += ["Energy (kJ)"] if metered else []
    tables = []
    for block in shown:
        rows = []
        for method, title in titles.items():
            here = select_rows(frame, block, method)
            row = [title, str(len(here)), f"{here['seconds'].mean():.1f}"]
            row += [
                f"{here['images_per_second'].mean():,.0f}",
                f"{here['host_memory_mb'].max():,.0f}",
            ]
            if on_gpu:
                row += [f"{here['device_memory_mb'].max():,.0f}", f"{here['gpu_hours'].sum():.2f}"]
            if metered:
                row.append(f"{here['energy_kj'].sum(min_count=1):,.1f}")
            rows.append(row)
        tables.append(Table(header, rows, block.title if len(shown) > 1 else ""))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What is counted, on which devices."""
    energy = (
        "Energy is that of the whole GPU during the run, as its driver counts it."
        if frame["energy_kj"].notna().any()
        else "No device of these runs counts energy."
    )
    return (
        "Time from the first line of a run to its last record, start of the process left out; "
        "images of training per second of training; highest memory of any run; sums over runs of "
        f"GPU-hours and energy. {data_phrase(settings)} {seeds_phrase(settings).capitalize()}. "
        f"Device: {join_words(sorted(frame['device'].unique()))}. Runs that shared a machine with "
        f"others slowed each other down. {energy}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
