"""How much of the published numbers was run, and how much of that came out alike."""

from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.published import PublishedError, read_published
from spml.exhibits.settings import join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_number
from spml.exhibits.verdicts import NOT_RUN, OUTSIDE, UNKNOWN, WITHIN
from spml.plumbing.addresses import exhibit_path, published_path, split_key
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

CELL = ["method", "dataset", "protocol", "metric"]
COLUMNS = [
    *("exhibit", *CELL, "value", "std", "kind", "own_protocol", "ours", "difference"),
    *("uncertainty", "verdict", "source"),
]


def _published(exhibit: str) -> pd.DataFrame:
    """The published numbers of an exhibit, a row each."""
    try:
        numbers = read_published(published_path(*split_key(exhibit)))
    except PublishedError as error:
        raise UserError(str(error)) from error
    return pd.DataFrame([number._asdict() for number in numbers])


def _verdict(row: Any) -> str:
    if pd.isna(row["difference"]):
        return NOT_RUN
    if pd.isna(row["uncertainty"]):
        return UNKNOWN
    return WITHIN if abs(row["difference"]) <= row["uncertainty"] else OUTSIDE


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a published number: ours, the difference, what may be chance in it, and a verdict.

    ``protocol`` is that of the published number, ``own_protocol`` that of our runs.
    """
    frames = []
    for exhibit in settings["exhibits"]:
        path = verified(exhibit_path(exhibit["key"], ".csv"))
        data = pd.read_csv(path, dtype={"published": "str"})
        data["own_protocol"] = data["protocol"]
        shown = data.dropna(subset="published_difference").rename(
            columns={f"published_{name}": name for name in (*CELL, "difference", "uncertainty")}
        )
        shown = shown.loc[:, ~shown.columns.duplicated(keep="last")]
        shown[CELL] = shown[CELL].fillna("")
        numbers = _published(exhibit["key"]).merge(
            shown[[*CELL, "own_protocol", "difference", "uncertainty"]], on=CELL, how="left"
        )
        frames.append(numbers.assign(exhibit=exhibit["key"]))
    table = pd.concat(frames, ignore_index=True)
    table["ours"] = table["value"].astype(float) + table["difference"]
    table["verdict"] = table.apply(_verdict, axis=1)
    return table[COLUMNS]


def _coverage(frame: pd.DataFrame, settings: dict[str, Any]) -> Table:
    """How many numbers are published, were run, and came out alike.

    A row an exhibit and dataset, those that were run first; the datasets of an exhibit that were
    not run share one.
    """
    titles = {exhibit["key"]: exhibit["title"] for exhibit in settings["exhibits"]}
    ran = frame["difference"].notna().groupby([frame["exhibit"], frame["dataset"]]).transform("any")
    rows = []
    for (exhibit, _), group in frame.groupby(
        ["exhibit", frame["dataset"].where(ran, "")], sort=False
    ):
        counts = group["verdict"].value_counts()
        done = len(group) - counts.get(NOT_RUN, 0)
        datasets = [
            settings["dataset_titles"].get(name, name) for name in group["dataset"].unique()
        ]
        row = [titles[exhibit], join_words(datasets), str(len(group)), str(done)]
        if done:
            row += [str(counts.get(word, 0)) for word in (WITHIN, OUTSIDE, UNKNOWN)]
            row.append(format_number(group["difference"].mean(), sign=True))
        else:
            row += [NOTHING] * 4
        rows.append((not done, row))
    rows.sort(key=lambda item: item[0])
    header = ["Exhibit", "Dataset", "Published", "Run", "Within", "Outside", "Unknown"]
    return Table([*header, "Mean difference"], [row for _, row in rows], "Coverage")


def _protocols(row: dict[str, Any], titles: dict[str, str]) -> str:
    """The protocol of a published number, and ours where it is another."""
    published, own = (titles.get(name, name) for name in (row["protocol"], row["own_protocol"]))
    return published if published == own else f"{published}, here {own}"


def _cells(frame: pd.DataFrame, settings: dict[str, Any]) -> Table:
    """A row a published number that was run."""
    titles = {exhibit["key"]: exhibit["title"] for exhibit in settings["exhibits"]}
    rows = []
    for row in frame[frame["verdict"] != NOT_RUN].to_dict("records"):
        spread = f" ± {row['std']}" if row["std"] else ""
        known = not pd.isna(row["uncertainty"])
        rows.append(
            [
                titles[row["exhibit"]],
                settings["dataset_titles"].get(row["dataset"], row["dataset"]),
                settings["titles"].get(row["method"], row["method"]),
                row["metric"],
                _protocols(row, settings["protocol_titles"]),
                f"{row['value']}{spread} ({row['kind']})",
                format_number(row["ours"]),
                format_number(row["difference"], sign=True),
                format_number(row["uncertainty"]) if known else NOTHING,
                row["verdict"],
            ]
        )
    header = ["Exhibit", "Dataset", "Method", "Metric", "Protocol", "Published", "Ours"]
    header += ["Difference"]
    return Table([*header, "Uncertainty", "Verdict"], rows, "Numbers that were run")


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """What was covered and, where anything was, each number."""
    tables = [_coverage(frame, settings)]
    if (frame["verdict"] != NOT_RUN).any():
        tables.append(_cells(frame, settings))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How many numbers were reproduced, and what that means."""
    counts = frame["verdict"].value_counts()
    done = len(frame) - counts.get(NOT_RUN, 0)
    ran = join_words(dict.fromkeys(block["dataset_title"] for block in settings["blocks"]))
    if not done:
        return (
            f"None of the {len(frame)} published numbers of the exhibits shown is of what was run "
            f"here, on {ran}."
        )
    others = (frame["verdict"] != NOT_RUN) & (frame["own_protocol"] != frame["protocol"])
    elsewhere = (
        f" {others.sum()} were published under another protocol than that of our runs, which may "
        "be all that their difference shows."
        if others.any()
        else ""
    )
    return (
        f"Of {len(frame)} published numbers of the exhibits shown, {done} were run here, on {ran}: "
        f"{counts.get(WITHIN, 0)} within the combined uncertainty, {counts.get(OUTSIDE, 0)} "
        f"outside it, {counts.get(UNKNOWN, 0)} of unknown uncertainty. Within: ours and the "
        "published number differ by no more than two standard deviations of a difference between "
        "two runs, from the deviations over seeds of both (of one, where only one is known), and "
        f"half a unit of the last printed digit.{elsewhere}"
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
