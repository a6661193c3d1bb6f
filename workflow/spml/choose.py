"""Stage *choose*: of each method's variants in a search, the one with the best validation mAP.

It reads the histories of runs, in which there is no test score. The score of a run is its highest
validation mAP over epochs: on the true labels (``clean``), and on those that training could have
seen (``observed``). By which of them is chosen says the protocol (``selection``); the variant with
the highest mean over seeds is, the first among equals.
"""

import argparse
import json
from typing import Any

import pandas as pd
import yaml

from spml.measures.selection import CRITERIA
from spml.plumbing.addresses import run_path
from spml.plumbing.checksums import RUN_CHECKSUMS, verified, write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path, read_json_lines, write_text

LABELS = {"clean": "the true", "observed": "the observed"}


def _scores(search: dict[str, Any], variant: str, seeds: list[int]) -> dict[str, Any]:
    """Mean, sample deviation, lowest and highest score over seeds by each criterion, in percent."""
    folders = [run_path(search["dataset"], search["protocol"], variant, seed) for seed in seeds]
    histories = [
        read_json_lines(verified(folder / "history.jsonl", folder / RUN_CHECKSUMS))
        for folder in folders
    ]
    columns: dict[str, Any] = {"seeds": len(seeds)}
    for criterion, key in CRITERIA.items():
        best = pd.Series([max(record[key] for record in history) for history in histories])
        columns |= {
            f"{criterion}_mean": best.mean(),
            f"{criterion}_std": best.std(ddof=1),
            f"{criterion}_low": best.min(),
            f"{criterion}_high": best.max(),
        }
    return columns


def score(settings: dict[str, Any]) -> pd.DataFrame:
    """A row a search and variant; ``best_on_<criterion>`` tells the one with the highest mean.

    settings: see :func:`spml.planning.search.search_settings`.
    """
    if not settings["searches"]:
        raise UserError(
            "there is nothing to choose from: select.methods names no grid that varies "
            "hyperparameters or training alone (config/README.md)"
        )
    tables = []
    for search in settings["searches"]:
        table = pd.DataFrame(
            [
                {
                    **search,
                    "method_title": settings["titles"][search["method"]],
                    "variant": variant["name"],
                    "title": variant["title"],
                    **_scores(search, variant["name"], settings["seeds"]),
                }
                for variant in settings["variants"][search["method"]]
            ]
        )
        for criterion in CRITERIA:
            best = table[f"{criterion}_mean"].idxmax()
            table[f"best_on_{criterion}"] = table.index == best
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def choose(scores: pd.DataFrame, settings: dict[str, Any]) -> dict[str, Any]:
    """The chosen values as configuration: each where nothing that a method says comes after it."""
    values = {
        variant["name"]: variant["values"]
        for variants in settings["variants"].values()
        for variant in variants
    }
    methods: dict[str, Any] = {}
    for row in scores.to_dict("records"):
        if row[f"best_on_{row['selection']}"]:
            places = methods.setdefault(row["method"], {"protocols": {}})["protocols"]
            place = places.setdefault(row["protocol"], {"datasets": {}})["datasets"]
            place[row["dataset"]] = values[row["variant"]]
    return {"methods": methods}


def describe(settings: dict[str, Any]) -> str:
    """What stands above the chosen values."""
    seeds = settings["seeds"]
    by = {search["protocol"]: LABELS[search["selection"]] for search in settings["searches"]}
    labels = "; ".join(f"{protocol}: {words} labels" for protocol, words in by.items())
    return (
        f"# Chosen by the mean validation mAP of seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}; no test score took part.\n"
        f"# By protocol, on {labels}.\n"
        "# To train with them: --configfile <your files> and this one after them.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.choose",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="the search as JSON")
    parser.add_argument("--table", required=True, help="the .csv of scores to write")
    parser.add_argument("--chosen", required=True, help="the .yaml of chosen values to write")
    arguments = parser.parse_args()
    scores = score(arguments.settings)
    with atomic_path(arguments.table) as temporary:
        scores.to_csv(temporary, index=False, float_format="%.10g")
    write_checksums(arguments.table)
    values = choose(scores, arguments.settings)
    chosen = yaml.safe_dump(values, sort_keys=False, default_flow_style=None)
    write_text(arguments.chosen, describe(arguments.settings) + chosen)


if __name__ == "__main__":
    run_command(main)
