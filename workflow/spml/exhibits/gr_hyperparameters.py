"""Hyperparameters of each method: optimisation, loss, and the epochs that were selected.

They are those of the runs, from their records, and not what the configuration says by now. What a
method leaves to its loss is the loss's own value.
"""

from typing import Any

import pandas as pd

from spml.exhibits.hyperparameters import effective_hyperparameters, loss_text, value_text
from spml.exhibits.markdown import Formulas, Table
from spml.exhibits.records import block_columns, read_record, select_rows
from spml.exhibits.settings import (
    Block,
    blocks,
    data_phrase,
    join_words,
    method_titles,
    seeds_phrase,
    selection_phrase,
)
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING
from spml.plumbing.errors import run_command

OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}
COLUMNS = {
    "optimizer": "Optimiser",
    "learning_rate": "Learning rate",
    "head_rate": "Head",
    "batch_size": "Batch",
    "epochs": "Epochs",
    "early_stop_gap": "Stop",
    "linear_init": "First phase",
    "loss_hyperparameters": "Hyperparameters of the loss",
    "selected_epochs": "Selected epoch",
}
_PATIENCE = ", or has had no new best for so many epochs in a row"
# What most protocols do without.
OPTIONAL = ("early_stop_gap", "linear_init")


def _optimizer(training: dict[str, Any]) -> str:
    details = [f"weight decay {value_text(training['weight_decay'])}"]
    if training["optimizer"] == "sgd":
        details.insert(0, f"momentum {value_text(training['momentum'])}")
    elif not training["weight_decay"]:
        details = []
    name = OPTIMIZERS[training["optimizer"]]
    return f"{name} ({', '.join(details)})" if details else name


def _stop(training: dict[str, Any]) -> str:
    """When training ends before its last epoch; empty where it does not."""
    gap, patience = training["early_stop_gap"], training.get("early_stop_patience")
    texts = [] if gap is None else [value_text(gap)]
    texts += [] if patience is None else [f"{patience} epochs"]
    return " or ".join(texts)


def _linear_init(training: dict[str, Any]) -> str:
    phase = training["linear_init"]
    if phase is None:
        return ""
    return (
        f"{phase['epochs']} epochs, batch {phase['batch_size']}, "
        f"rate {value_text(phase['learning_rate'])}"
    )


def _row(block: Block, method: str, seeds: list[int]) -> dict[str, Any]:
    """The cells of one method as texts; its seeds differ in the selected epoch alone."""
    records = [read_record(block, method, seed) for seed in seeds]
    settings = records[0]["settings"]
    training = settings["training"]
    hyperparameters = effective_hyperparameters(settings["loss"], settings["hyperparameters"])
    return block_columns(
        block,
        method=method,
        optimizer=_optimizer(training),
        learning_rate=value_text(training["learning_rate"]),
        head_rate=value_text(training["head_learning_rate_multiplier"]),
        batch_size=value_text(training["batch_size"]),
        epochs=value_text(training["epochs"]),
        early_stop_gap=_stop(training),
        linear_init=_linear_init(training),
        loss_hyperparameters=loss_text(hyperparameters),
        selected_epochs=", ".join(str(record["selected_epoch"]) for record in records),
    )


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a dataset, protocol and method, in texts; empty where something is not used."""
    return pd.DataFrame(
        [
            _row(block, method, settings["seeds"])
            for block in blocks(settings)
            for method in method_titles(settings)
        ]
    )


def _shown_columns(frame: pd.DataFrame) -> list[str]:
    return [name for name in COLUMNS if name not in OPTIONAL or (frame[name] != "").any()]


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a dataset and protocol."""
    titles = method_titles(settings)
    shown, columns = blocks(settings), _shown_columns(frame)
    return [
        Table(
            ["Method", *(COLUMNS[name] for name in columns)],
            [
                [titles[row["method"]], *(Formulas(row[name] or NOTHING) for name in columns)]
                for row in select_rows(frame, block).to_dict("records")
            ],
            block.title if len(shown) > 1 else "",
        )
        for block in shown
    ]


def _sources_phrase(settings: dict[str, Any]) -> str:
    """Where the values of each dataset come from; empty where nothing is said of any."""
    titles = {block["dataset"]: block["dataset_title"] for block in settings["blocks"]}
    texts: dict[str, list[str]] = {}
    for dataset, title in titles.items():
        if text := settings.get("sources", {}).get(dataset):
            texts.setdefault(text, []).append(title)
    return "".join(f" {join_words(names)}: {text}." for text, names in texts.items())


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the table shows, and where the values come from."""
    columns = _shown_columns(frame)
    text = (
        "Hyperparameters of each method, as the records of its runs hold them: "
        f"{seeds_phrase(settings)}. {data_phrase(settings)} Head: multiple of the learning rate at "
        "which the last layer learns. "
    )
    if "early_stop_gap" in columns:
        text += (
            "Stop: training ends once validation mAP is more than so many points below its best"
            f"{_PATIENCE if frame['early_stop_gap'].str.contains('epochs').any() else ''}. "
        )
    if "linear_init" in columns:
        text += "First phase: training of the last layer alone, before all others. "
    return (
        f"{text}Selected epoch: for each run in the order of the seeds, "
        f"{selection_phrase(settings)}.{_sources_phrase(settings)}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
