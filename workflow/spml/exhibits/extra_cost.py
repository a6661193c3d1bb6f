"""What the runs of each method cost: time, memory, and energy where the device tells.

Other work on the machine only ever adds to a time, so that of several runs the least counts; time
of the processor does not contain the wait for it.
"""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, select_rows
from spml.exhibits.settings import blocks, data_phrase, join_words, method_titles, seeds_phrase
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import run_command
from spml.plumbing.files import read_json


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a run: seconds, memory in MB, GPU-hours, and energy in kJ.

    ``seconds`` are of the whole run by the clock. ``training_seconds`` and ``processor_seconds``
    are of its training steps alone, by the clock and of the processor; the latter are empty for a
    run of a version that did not record them.
    """
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
                    training_seconds=record["training_seconds"],
                    processor_seconds=record.get("processor_seconds"),
                    images=round(record["images_per_second"] * record["training_seconds"]),
                    host_memory_mb=record["peak_host_memory_mb"],
                    device_memory_mb=record["peak_device_memory_mb"],
                    energy_kj=None if energy is None else energy / 1000,
                )
                rows.append(row)
    return pd.DataFrame(rows).astype({"energy_kj": float, "processor_seconds": float})


def _least(seconds: pd.Series) -> str:
    return NOTHING if seconds.isna().all() else f"{seconds.min():.1f}"


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol; columns that would say nothing are left out."""
    titles = method_titles(settings)
    shown = blocks(settings)
    on_gpu, metered = frame["gpu_hours"].any(), frame["energy_kj"].notna().any()
    timed = frame["processor_seconds"].notna().any()
    header = ["Method", "Runs", "Training, least (s)"]
    header += ["Processor, least (s)"] if timed else []
    header += ["Images per second, most", "Peak host memory (MB)"]
    header += ["Peak GPU memory (MB)", "GPU-hours"] if on_gpu else []
    header += ["Energy (kJ)"] if metered else []
    tables = []
    for block in shown:
        rows = []
        for method, title in titles.items():
            here = select_rows(frame, block, method)
            row = [title, str(len(here)), f"{here['training_seconds'].min():.1f}"]
            if timed:
                row.append(_least(here["processor_seconds"]))
            row += [
                f"{(here['images'] / here['training_seconds']).max():,.0f}",
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
    processor = (
        "time of the processor, that of all threads of the process; "
        if frame["processor_seconds"].notna().any()
        else ""
    )
    return (
        "Training steps alone, without validation and saving: the least time of any run by the "
        f"clock, since other work on the machine only adds to it; {processor}images of training "
        "per second of the fastest run. Highest memory of any run; sums over runs of GPU-hours and "
        f"energy. {data_phrase(settings)} {seeds_phrase(settings).capitalize()}. "
        f"Device: {join_words(sorted(frame['device'].unique()))}. {energy}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
