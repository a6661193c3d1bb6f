"""In which phase of training each label costs most: the first epoch (warm-up), or a later one.

A label that a network learns costs most before it is learnt. A false negative that costs most after
the first epoch was first contradicted, by what the network had learnt of other pictures, and then
memorised. The cost of a label is -log p where it is observed and -log(1 - p) elsewhere.

A run records -log(1 - p), which falls where -log p rises: an observed positive costs most where the
record is lowest. So no cost is computed from another, and rounding to half precision matters only
where two epochs round to the same number; such ties are counted and count as warm-up.
"""

from typing import Any

import numpy as np
import pandas as pd

from spml.exhibits.comparison import (
    any_published,
    format_difference,
    format_published,
    numbers_beside,
    published_columns,
    published_phrase,
)
from spml.exhibits.markdown import Table
from spml.exhibits.records import block_columns, read_recorded, select_rows, training_entries
from spml.exhibits.settings import (
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_mean
from spml.measures.statistics import confidence_interval, normal_deviations
from spml.plumbing.errors import run_command

LABELS = {
    "true_positives": "True positives",
    "true_negatives": "True negatives",
    "false_negatives": "False negatives",
}
PHASES = {"warmup": "Warm-up", "regular": "Regular"}


def count_phases(entries: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, dict[str, int]]:
    """Of each kind of label: how many there are, cost most in the first epoch, and tie.

    entries: (epochs, N, C), -log(1 - p) when trained on. masks: (N, C) bool of each kind.
    Reads one epoch at a time.
    """
    first = np.asarray(entries[0])
    highest = np.full_like(first, -np.inf)
    lowest = np.full_like(first, np.inf)
    for epoch in range(1, len(entries)):
        np.maximum(highest, entries[epoch], out=highest)
        np.minimum(lowest, entries[epoch], out=lowest)
    counts = {}
    for kind, mask in masks.items():
        before, after = first[mask], (lowest if kind == "true_positives" else highest)[mask]
        if kind == "true_positives":  # -log p is high where -log(1 - p) is low
            before, after = -before, -after
        counts[kind] = {
            "labels": int(mask.sum()),
            "warmup": int((before >= after).sum()),
            "ties": int((before == after).sum()),
        }
    return counts


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol, method, kind of label and phase; shares in percent.

    ``share_mean`` and ``share_std`` are over seeds (n - 1), empty where there is no such label.
    ``tied`` is the mean share of labels that tie between the phases.
    """
    rows = []
    for block in blocks(settings):
        numbers = numbers_beside(settings, block)
        for method in method_titles(settings):
            masks = training_entries(block, method)
            runs = [
                count_phases(read_recorded(block, method, seed, "entries.npy"), masks)
                for seed in settings["seeds"]
            ]
            for kind in LABELS:
                labels = runs[0][kind]["labels"]
                counts = pd.DataFrame([run[kind] for run in runs])
                warmup = 100 * counts["warmup"] / labels if labels else counts["warmup"] * np.nan
                for phase in PHASES:
                    shares = warmup if phase == "warmup" else 100 - warmup
                    rows.append(
                        block_columns(
                            block,
                            method=method,
                            entries=kind,
                            phase=phase,
                            labels=labels,
                            seeds=len(runs),
                            share_mean=shares.mean(),
                            share_std=shares.std(ddof=1),
                            **_interval(shares, labels),
                            tied=100 * counts["ties"].mean() / labels if labels else np.nan,
                            **published_columns(
                                numbers,
                                shares.mean(),
                                shares.std(ddof=1),
                                method=method.removesuffix("_recorded"),
                                dataset=block.dataset,
                                metric=f"{phase}_{kind}",
                                protocol=block.protocol,
                            ),
                        )
                    )
    return pd.DataFrame(rows)


def _interval(shares: pd.Series, labels: int) -> dict[str, float]:
    """The 95 % interval of a share in percent, over seeds and labels that count as independent."""
    if not labels:
        return {"share_low": np.nan, "share_high": np.nan}
    share = shares.mean() / 100
    error = 100 * (share * (1 - share) / labels) ** 0.5
    low, high = confidence_interval(shares.to_numpy(), normal_deviations(error))
    return {"share_low": max(low, 0.0), "share_high": min(high, 100.0)}


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """A table a dataset, protocol and method; a row a kind of label."""
    titles, shown = method_titles(settings), blocks(settings)
    with_published = any_published(frame)
    tables = []
    for block in shown:
        for method in titles:
            here = select_rows(frame, block, method)
            cells = {(row["entries"], row["phase"]): row for row in here.to_dict("records")}
            columns = {
                "Labels": list(LABELS.values()),
                "Number": [f"{cells[kind, 'warmup']['labels']:,}" for kind in LABELS],
            }
            for phase, name in PHASES.items():
                of_phase = [cells[kind, phase] for kind in LABELS]
                columns[f"{name} (%)"] = [_format_share(cell) for cell in of_phase]
                if with_published:
                    columns[f"{name}: published"] = [format_published(cell) for cell in of_phase]
                    columns[f"{name}: difference"] = [format_difference(cell) for cell in of_phase]
            names = [block.title] * (len(shown) > 1) + [titles[method]] * (len(titles) > 1)
            rows = [list(row) for row in zip(*columns.values(), strict=True)]
            tables.append(Table(list(columns), rows, ": ".join(names)))
    return tables


def _format_share(cell: dict[Any, Any]) -> str:
    if pd.isna(cell["share_mean"]):
        return NOTHING
    return format_mean(
        cell["share_mean"], None if pd.isna(cell["share_std"]) else cell["share_std"]
    )


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, with how often rounding decides."""
    spread = ", mean ± sample standard deviation over seeds" if len(settings["seeds"]) > 1 else ""
    titles = join_words(method_titles(settings).values())
    text = (
        f"Share of the training labels whose cost under {titles} is highest in the first epoch "
        f"(warm-up) or in a later one (regular), in percent{spread}. True positives are observed; "
        "true and false negatives are unobserved and trained as negatives. Cost as a label was "
        "trained on, −log p where it is observed and −log(1 − p) elsewhere, recorded in half "
        f"precision; at most {frame['tied'].max():.2f} % of the labels of a kind tie between the "
        f"phases and count as warm-up. {data_phrase(settings)} "
        f"{seeds_phrase(settings).capitalize()}."
    )
    if (frame["labels"] == 0).any():
        text += f" {NOTHING}: training sees no such label."
    return text + published_phrase(frame)


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
