"""All published numbers for one positive an image, and ours, in one table to be sorted.

A row is a method under one protocol by one source; our own runs are rows too. The published ones
are read from the files in config/published.
"""

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from spml.exhibits.compared import compared_groups
from spml.exhibits.comparison import not_run_phrase
from spml.exhibits.markdown import Table
from spml.exhibits.published import KINDS, Published, PublishedError, read_published
from spml.exhibits.settings import blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_number, rank_marks
from spml.measures.statistics import confidence_interval
from spml.plumbing.addresses import published_path, split_key
from spml.plumbing.errors import UserError, run_command

METRIC = "test_map"
OURS = "ours"
NETWORK = "ResNet-50"  # of published numbers, unless the method's entry says otherwise
OTHER_LABELS = "other labels"  # of a method of ours of which nothing else is said
ROW = ["method", "protocol", "kind", "source"]  # what a row of the table is


def _published(settings: dict[str, Any]) -> Iterator[Published]:
    """The published test mAP on datasets of the project, from all files that are shown."""
    titles = settings["dataset_titles"]
    for key in (f"{settings['paper']}_{settings['name']}", *settings["published_from"]):
        try:
            numbers = read_published(published_path(*split_key(key)))
        except PublishedError as error:
            raise UserError(str(error)) from error
        for number in numbers:
            if number.metric == METRIC and number.dataset in titles:
                yield number


def _own(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Our runs of whole networks, as far as they are compared; each method once a block."""
    for block in blocks(settings):
        done: set[str] = set()
        for group in [] if block.frozen else compared_groups(block, settings):
            for method in group.found.methods:
                if method in done:
                    continue
                done.add(method)
                values, deviations = group.found.combined((method, 1))
                low, high = confidence_interval(values, deviations)
                yield {
                    "dataset": block.dataset,
                    "protocol": block.protocol,
                    "method": method,
                    "network": _network(settings["networks"][block.dataset]),
                    "knowledge": ""
                    if block.observation_of(method) == block.observation
                    else OTHER_LABELS,
                    "kind": OURS,
                    "source": "",
                    "map": values.mean(),
                    "map_low": low,
                    "map_high": high,
                    "seeds": len(values),
                }


def _network(architecture: str) -> str:
    """The name of a network as papers write it."""
    return re.sub(r"^resnet(\d+)$", r"ResNet-\1", architecture)


def _described(row: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A row with what its method's entry says; of scores that are given no network is known."""
    entry = settings["entries"].get(row["method"], {})
    title = entry.get("title") or settings["titles"].get(row["method"], row["method"])
    network = "" if title in settings.get("given", []) else entry.get("network", row["network"])
    knowledge = entry.get("knowledge", row["knowledge"])
    return {
        **row,
        "title": title,
        "year": entry.get("year"),
        "network": ", ".join(filter(None, (network, entry.get("head", "")))),
        "knowledge": knowledge,
        "ranked": bool(network) and not knowledge and not {"network", "head"} & set(entry),
    }


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a method, protocol, source and dataset; mAP in percent.

    ``published`` and ``std`` are as printed; ``map`` is that value, or our mean over seeds, of
    which ``map_low`` and ``map_high`` are the 95 % interval. ``ranked`` is whether a method knows
    nothing but one positive an image, and its network has a linear head.
    """
    rows = [
        {
            **{key: getattr(number, key) for key in ("dataset", *ROW, "std", "note")},
            "network": NETWORK,
            "knowledge": "",
            "published": number.value,
            "map": float(number.value),
            "seeds": 0,
        }
        for number in _published(settings)
    ]
    described = [_described(row, settings) for row in (*rows, *_own(settings))]
    columns = [
        *("dataset", *ROW, "title", "year", "network", "knowledge", "ranked", "published", "std"),
        *("map", "map_low", "map_high", "seeds", "note"),
    ]
    return pd.DataFrame(described, columns=columns).astype({"year": "Int64"})


def _lines(frame: pd.DataFrame) -> list[dict[str, dict[str, Any]]]:
    """The rows of the table, each its cells by dataset; the highest on the first dataset first."""
    first = frame["dataset"].iloc[0]
    lines = [
        {str(cell["dataset"]): cell for cell in here.to_dict("records")}
        for _, here in frame.groupby(ROW, sort=False)
    ]
    return sorted(lines, key=lambda line: -line[first]["map"] if first in line else 0.0)


def _sources(frame: pd.DataFrame) -> dict[str, str]:
    """The mark of each source, in the order of the table."""
    found = [next(iter(line.values()))["source"] for line in _lines(frame)]
    return {source: f"[{n}]" for n, source in enumerate(dict.fromkeys(filter(None, found)), 1)}


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return NOTHING
    if cell["kind"] == OURS:
        interval = format_interval(cell["map_low"], cell["map_high"], sign=False)
        return f"{format_number(cell['map'])} ({interval})"
    return f"{cell['published']} ± {cell['std']}" if cell["std"] else str(cell["published"])


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table, a column a dataset."""
    datasets = list(dict.fromkeys(frame["dataset"]))
    # Settings that are none of our protocols are named like the method that they are of.
    entries = {name: entry["title"] for name, entry in settings["entries"].items()}
    protocols = entries | settings["protocol_titles"]
    marks_of, lines = _sources(frame), _lines(frame)
    header = ["Method", "Year", *(settings["dataset_titles"][name] for name in datasets)]
    header += ["Knows too", "Network", "Settings", "Kind", "Source"]
    rows = []
    for line in lines:
        one = next(iter(line.values()))
        rows.append(
            [
                one["title"],
                NOTHING if pd.isna(one["year"]) else str(one["year"]),
                *(_cell(line.get(name)) for name in datasets),
                one["knowledge"] or NOTHING,
                one["network"] or NOTHING,
                protocols.get(one["protocol"], one["protocol"]) or NOTHING,
                one["kind"],
                marks_of.get(one["source"], NOTHING),
            ]
        )
    marks = {}
    for column, name in enumerate(datasets, start=2):
        # As they are printed, so that no mark parts two cells that a reader cannot.
        printed = [
            None if not (cell := line.get(name)) or not cell["ranked"]
            else round(cell["map"], 1 if cell["kind"] == OURS else 3)
            for line in lines
        ]  # fmt: skip
        for row, mark in rank_marks(printed, decimals=3).items():
            marks[row, column] = mark
    return [Table(header, rows, "", marks)]


def _sources_phrase(frame: pd.DataFrame) -> str:
    """What each mark of a source stands for, with what a reader has to know of its numbers."""
    texts = []
    for source, mark in _sources(frame).items():
        notes = frame.loc[frame["source"] == source, "note"]
        parts = dict.fromkeys(part for note in notes for part in note.split("; ") if part)
        texts.append(f"{mark} {source}" + (f" ({'; '.join(parts)})" if parts else ""))
    return f"Sources: {'; '.join(texts)}."


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What a row is, what is marked, and where each number comes from."""
    own = frame[frame["kind"] == OURS]
    kinds = [kind for kind in KINDS if (frame["kind"] == kind).any()]
    text = (
        f"Test mAP (%) with one positive label an image: {len(frame) - len(own)} published numbers "
        "as printed, ± where a deviation was"
    )
    if len(own):
        counts = sorted(own["seeds"].unique())
        over = "test images" if counts == [1] else "seeds (Student's t) and test images"
        text += f", and ours with the 95 % interval over {over}"
    text += (
        f". Published numbers are {join_words(f'{kind} ({KINDS[kind]})' for kind in kinds)}. "
        "Best in bold, second underlined, among methods that know nothing but one positive an "
        f"image and have a {NETWORK} with a linear head, or of ours what the dataset names. Rows "
        "differ in settings, and on NUS-WIDE in images too, and marks heed neither, so that small "
        "differences say little. "
        "Settings: the protocol of ours that is theirs, as far as it is known. "
    )
    return text + _sources_phrase(frame) + not_run_phrase(settings)


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
