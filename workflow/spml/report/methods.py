"""A method as its page shows it: definition, settings, results, learning curves and runs."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spml.exhibits.markdown import Table
from spml.exhibits.tables import format_number
from spml.report.curves import Drawing, draw, mean_curve
from spml.report.definitions import NOT_TRAINED, Excerpt, LossDefinition, read_loss
from spml.report.exhibits import Exhibit, rows_of
from spml.report.pages import method_page, runs_anchor
from spml.report.runs import Run, by_method, by_place
from spml.report.texts import format_sample

SCORES = ("Test mAP (%)", "Validation mAP (%)", "Runs")

Place = tuple[str, str]


@dataclass(frozen=True)
class Method:
    """title: what tables call it. name: the same, unlike that of any other method.

    rivals: the mean learning curve of each method that was trained, its own among them.
    """

    key: str
    title: str
    name: str
    loss: LossDefinition
    runs: Sequence[Run]
    rivals: Mapping[Place, Mapping[str, Sequence[float]]]

    @property
    def page(self) -> str:
        return method_page(self.key)

    @cached_property
    def places(self) -> dict[Place, list[Run]]:
        return by_place(self.runs)

    @cached_property
    def curves(self) -> dict[Place, Drawing]:
        """A drawing for each dataset and protocol."""
        return {
            place: draw(
                self.name,
                [run.curve for run in own],
                [curve for method, curve in self.rivals[place].items() if method != self.key],
            )
            for place, own in self.places.items()
        }

    def results_address(self, table: Table, row: int, column: int) -> str:
        """Where the runs behind a number of :meth:`results` stand."""
        return f"{self.page}#{runs_anchor(*list(self.places)[row])}"

    def results(self, titles: Mapping[Place, str]) -> Table:
        """Its mAP on each dataset and protocol."""
        rows = [[titles[place], *_scores(runs)] for place, runs in self.places.items()]
        return Table(["Dataset, protocol", *SCORES], rows)

    def hyperparameters(self) -> list[tuple[list[Place], dict[str, Any]]]:
        """What its loss was built with, each with the places where; from the runs' records."""
        return _settings_by_place(self.places, lambda settings: settings["hyperparameters"])

    def training(self) -> list[tuple[list[Place], dict[str, Any]]]:
        """All else that it was trained with, in the same form."""
        names = ("loss", "head", "observation", "architecture", "scores")
        return _settings_by_place(
            self.places,
            lambda settings: {
                **{name: settings[name] for name in names if settings.get(name) is not None},
                **settings.get("training", {}),
            },
        )


def _settings_by_place(
    places: Mapping[Place, Sequence[Run]], choose: Any
) -> list[tuple[list[Place], dict[str, Any]]]:
    found: dict[str, tuple[list[Place], dict[str, Any]]] = {}
    for place, runs in places.items():
        for run in runs:
            settings = choose(run.record["settings"])
            shown, _ = found.setdefault(json.dumps(settings, sort_keys=True), ([], settings))
            if place not in shown:
                shown.append(place)
    return list(found.values())


def format_value(value: Any) -> str:
    """A setting as text: lists and maps in one line, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(format_value, value))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {format_value(item)}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_table(
    first: str, groups: Sequence[tuple[list[str], dict[str, Any]]], defaults: Mapping[str, str]
) -> Table:
    """A row a setting and a column for each different set; what is not given has its default."""
    names = dict.fromkeys([*defaults, *(name for _, settings in groups for name in settings)])
    headings = ["; ".join(places) for places, _ in groups] if len(groups) > 1 else ["Value"]
    rows = []
    for name in names:
        values = [
            format_value(settings[name])
            if name in settings
            else f"{format_value(defaults.get(name))} (default)"
            for _, settings in groups
        ]
        rows.append([name, *values])
    return Table([first, *headings], rows)


def _scores(runs: Sequence[Run]) -> list[str]:
    splits = ("test", "val")
    scores = [format_sample(run.metrics[split]["map"] for run in runs) for split in splits]
    return [*scores, str(len(runs))]


def results_table(runs: Sequence[Run]) -> Table:
    """Test and validation mAP of each method, mean ± sample standard deviation over its runs."""
    rows = [[group[0].name, *_scores(group)] for group in by_method(runs).values()]
    return Table(["Method", *SCORES], rows)


def unique_names(titles: Mapping[str, str]) -> dict[str, str]:
    """The titles; a method whose title another had before it is named by its key too."""
    names: dict[str, str] = {}
    for key, title in titles.items():
        names[key] = f"{title} ({key})" if title in names.values() else title
    return names


def describe_methods(titles: Mapping[str, str], runs: Sequence[Run]) -> list[Method]:
    """All methods that have runs."""
    names = unique_names(titles)
    # Of scores that were made elsewhere there are no curves.
    rivals = {
        place: {
            method: mean_curve([run.curve for run in own])
            for method, own in by_method([run for run in here if run.is_trained]).items()
        }
        for place, here in by_place(runs).items()
    }
    groups = by_method(runs)
    return [
        Method(
            key=key,
            title=title,
            name=names[key],
            loss=read_loss(loss)
            if (loss := groups[key][0].record["settings"]["loss"]) is not None
            else NOT_TRAINED,
            runs=groups[key],
            rivals=rivals,
        )
        for key, title in titles.items()
    ]


def entries_of(method: str, entries: Mapping[str, Sequence[Excerpt]]) -> list[Excerpt]:
    """The method's own entries in the configuration, then those of the methods it extends."""
    found: list[Excerpt] = []
    waiting = [method]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        own = entries.get(name, [])
        found += own
        waiting += [
            parent for entry in own for parent in re.findall(r"\bextends: (\w+)", entry.text)
        ]
    return found


def exhibit_rows(method: Method, exhibits: Sequence[Exhibit]) -> list[tuple[Exhibit, list[Table]]]:
    """The rows of a method in the tables of all exhibits that have any."""
    found = []
    for exhibit in exhibits:
        if exhibit.method_pages.get(method.title) != method.page:
            continue
        rows = [rows_of(table, method.title) for table in exhibit.tables]
        tables = [table for table in rows if table is not None]
        if tables:
            found.append((exhibit, tables))
    return found


def run_scores(run: Run) -> tuple[str, str]:
    """Test and validation mAP of one run in percent."""
    return format_number(run.metrics["test"]["map"], 2), format_number(run.metrics["val"]["map"], 2)
