"""All pages of the site: what each shows, put into its template."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from spml.exhibits import cells
from spml.exhibits.markdown import Formulas, column_kinds
from spml.exhibits.papers import PAPERS, REFERENCES
from spml.plumbing.addresses import METHOD_GRADIENT_TABLE, pictures_path
from spml.plumbing.checksums import verified
from spml.plumbing.files import read_json
from spml.report import (
    curves,
    definitions,
    formulas,
    gap,
    methods,
    origins,
    pages,
    texts,
    verdicts,
)
from spml.report.exhibits import Exhibit, read_exhibit
from spml.report.runs import Run, by_method, by_place, cost_table, read_runs
from spml.report.search import Entry, index_script

TEMPLATES = Path(__file__).parents[2] / "report"
# The exhibits that the front page reads: its picture, and the two that judge all others.
GAP, CLAIMS, SUMMARY = "extra_gap_closed", "extra_claims", "extra_reproduction_summary"


def method_titles(settings: dict[str, Any]) -> dict[str, str]:
    """Titles of the methods in the order in which they are selected.

    A parameter of a rule is JSON with sorted keys, so that maps have lost their order.
    """
    titles, configuration = settings["runs"]["methods"], settings["configuration"]
    listed = [
        names
        for item in configuration["exhibits"].values()
        for names in (item["methods"], *item.get("methods_under", {}).values())
    ]
    order = [name for names in listed if names != "selected" for name in names]
    return {
        name: titles[name]
        for name in dict.fromkeys([*configuration["select"]["methods"], *order, *titles])
        if name in titles
    }


@dataclass(frozen=True)
class Site:
    """What the pages show.

    settings: see :func:`spml.planning.stage_settings.report_settings`. files: the configuration
    files that define methods, datasets or protocols.
    """

    settings: dict[str, Any]
    runs: Sequence[Run]
    files: Sequence[str]

    @property
    def configuration(self) -> dict[str, Any]:
        return self.settings["configuration"]

    @property
    def method_titles(self) -> dict[str, str]:
        return method_titles(self.settings)

    @cached_property
    def exhibits(self) -> list[Exhibit]:
        definitions, select = self.configuration["exhibits"], self.configuration["select"]
        places = {place: self.titles_of(place) for place in by_place(self.runs)}
        return [
            read_exhibit(
                item, definitions[item["key"]], select, self.runs, self.method_titles, places
            )
            for item in self.settings["exhibits"]
        ]

    def exhibit(self, key: str) -> Exhibit | None:
        """An exhibit by its key; None where it is not shown."""
        return next((exhibit for exhibit in self.exhibits if exhibit.key == key), None)

    def evidence(self, key: str) -> str:
        """Where an exhibit is shown; of one that is not, where the claims are."""
        return (self.exhibit(key) or self.exhibit(CLAIMS) or self.exhibits[0]).address

    @cached_property
    def claims(self) -> list[verdicts.Claim]:
        """The claims of the papers, each with a verdict; nothing where they are not shown."""
        shown = self.exhibit(CLAIMS)
        return verdicts.read_claims(shown.files["csv"], self.evidence) if shown else []

    @property
    def scope(self) -> str:
        """What was run, and what of the published numbers that tests."""
        summary = self.exhibit(SUMMARY)
        datasets = self.configuration["datasets"]
        return verdicts.scope_phrase(
            summary.files["csv"] if summary else None,
            [item["title"] for item in self.datasets],
            len(self.configuration["select"]["seeds"]),
            synthetic=bool(datasets) and all("compose" in item for item in datasets.values()),
        )

    @property
    def gaps(self) -> list[gap.Gap]:
        """The gap closed, of each place where methods were compared."""
        shown = self.exhibit(GAP)
        if shown is None:
            return []
        return gap.read_gaps(
            shown.files["csv"],
            self.configuration["exhibits"][GAP],
            methods.unique_names(self.method_titles),
            self.short_titles,
        )

    @cached_property
    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """Pictures of each dataset of which there are any, as :mod:`spml.illustrate` left them."""
        return {
            item["dataset"]: read_json(pictures_path(**item)) for item in self.settings["pictures"]
        }

    @cached_property
    def papers(self) -> list[dict[str, Any]]:
        """Those of which there is an exhibit."""
        shown = {
            paper: [exhibit for exhibit in self.exhibits if exhibit.paper == paper]
            for paper in PAPERS
        }
        return [
            {
                "key": paper,
                "title": PAPERS[paper],
                "reference": REFERENCES.get(paper),
                "page": pages.paper_page(paper),
                "exhibits": exhibits,
            }
            for paper, exhibits in shown.items()
            if exhibits
        ]

    @cached_property
    def methods(self) -> list[methods.Method]:
        return methods.describe_methods(self.method_titles, self.runs)

    @cached_property
    def datasets(self) -> list[dict[str, Any]]:
        entries = definitions.entries(self.files, "datasets")
        return [
            {
                "key": name,
                "title": definition["title"],
                "page": pages.dataset_page(name),
                "places": [
                    {
                        "protocol": self.configuration["protocols"][protocol],
                        "key": protocol,
                        "title": self.place_title((dataset, protocol)),
                        "results": methods.results_table(here),
                        "runs_address": self._results_address(here),
                        "curves": self._curves(here),
                    }
                    for (dataset, protocol), here in by_place(self.runs).items()
                    if dataset == name
                ],
                "exhibits": [
                    exhibit
                    for exhibit, item in zip(self.exhibits, self.settings["exhibits"], strict=True)
                    if name in {pair[0] for pair in item["pairs"]}
                ],
                "entries": entries.get(name, []),
                "samples": self.samples.get(name, []),
            }
            for name in self.configuration["select"]["datasets"]
            if (definition := self.configuration["datasets"].get(name))
        ]

    def _results_address(self, here: Sequence[Run]) -> Callable[[Any, int, int], str]:
        """Of a number in a place's table of results, where the runs behind it stand."""
        first = [runs[0] for runs in by_method(here).values()]
        return lambda table, row, column: (
            f"{pages.method_page(first[row].method)}#{pages.runs_anchor(*first[row].place)}"
        )

    def _curves(self, here: Sequence[Run]) -> curves.Drawing | None:
        """The learning curves of all methods that were trained in one place."""
        trained = by_method([run for run in here if run.is_trained])
        if not trained:
            return None
        chosen = [key for key in self._of_the_papers if key in trained] or list(trained)[:5]
        return curves.draw_together(
            {runs[0].name: [run.curve for run in runs] for runs in trained.values()},
            [trained[key][0].name for key in chosen[: curves.LOOKS]],
            self.place_title(here[0].place),
        )

    @cached_property
    def _of_the_papers(self) -> list[str]:
        """Both ends of the gap and the papers' own methods, where the gap closed is shown."""
        definition = self.configuration["exhibits"].get(GAP)
        if definition is None:
            return []
        families = definition.get("families", {})
        own = [families[key]["methods"] for key in REFERENCES if key in families]
        ends = [definition["reference"], definition["full"]]
        return list(dict.fromkeys([*ends, *(method for methods in own for method in methods)]))

    @cached_property
    def gradients(self) -> dict[str, curves.Drawing]:
        """The gradient of each method's loss of which one curve tells all."""
        if not any(run.is_trained for run in self.runs):
            return {}
        table = pd.read_csv(verified(METHOD_GRADIENT_TABLE))
        return {
            str(method): curves.draw_gradient(
                {
                    f"Epoch {epoch} of {here['total_epochs'].iloc[0]}"
                    if rows["epoch"].nunique() > 1
                    else "In all epochs": (list(here["probability"]), list(here["gradient"]))
                    for epoch, here in rows.groupby("epoch")
                }
            )
            for method, rows in table.groupby("method")
        }

    @cached_property
    def protocol_entries(self) -> dict[str, list[definitions.Excerpt]]:
        return definitions.entries(self.files, "protocols")

    def titles_of(self, place: tuple[str, str]) -> tuple[str, str]:
        """Titles of a dataset and of a protocol."""
        dataset, protocol = place
        titles = self.configuration["datasets"], self.configuration["protocols"]
        return titles[0][dataset]["title"], titles[1][protocol]["title"]

    def place_title(self, place: tuple[str, str]) -> str:
        """A dataset under a protocol, for people."""
        return ", ".join(self.titles_of(place))

    @cached_property
    def short_titles(self) -> dict[tuple[str, str], str]:
        """Each dataset under a protocol; the protocol is named where a dataset has several."""
        shown = list(by_place(self.runs))
        datasets = [dataset for dataset, _ in shown]
        return {
            place: self.place_title(place)
            if datasets.count(place[0]) > 1
            else self.configuration["datasets"][place[0]]["title"]
            for place in shown
        }

    def titled(self, groups: list[tuple[list[Any], dict[str, Any]]]) -> list[tuple[list[str], Any]]:
        """Settings by place, with the titles of the places."""
        return [([self.place_title(place) for place in places], value) for places, value in groups]

    def search_entries(self) -> list[Entry]:
        """What the search box finds."""
        return [
            Entry(
                "Page", "How this was made", pages.PROVENANCE, "cost time memory versions machine"
            ),
            Entry("Page", "Methods", pages.METHODS, "losses list"),
            *(Entry("Paper", p["title"], p["page"], p["reference"] or "") for p in self.papers),
            *(Entry("Dataset", d["title"], d["page"], d["key"]) for d in self.datasets),
            *(Entry("Method", m.name, m.page, f"{m.key} {m.loss.summary}") for m in self.methods),
            *(Entry("Exhibit", e.title, e.address, f"{e.key} {e.caption}") for e in self.exhibits),
        ]


def _as_yaml(value: Any) -> str:
    return yaml.dump(
        value,
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
    )


def _environment(site: Site) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        column_kinds,
        cells.sort_key,
        cells.with_formulas,
        texts.paragraphs,
        texts.with_code,
    ):
        environment.filters[function.__name__] = function
    environment.filters["as_formulas"] = Formulas
    environment.filters["typeset"] = formulas.typeset
    environment.globals.update(
        site=site,
        method_pages={
            name: pages.method_page(key)
            for key, name in methods.unique_names(site.method_titles).items()
        },
        methods_page=pages.METHODS,
        provenance_page=pages.PROVENANCE,
        dataset_page=pages.dataset_page,
        run_anchor=pages.run_anchor,
        runs_anchor=pages.runs_anchor,
        by_method=by_method,
        run_scores=methods.run_scores,
    )
    return environment


def render(
    settings: dict[str, Any], benchmarks: Path, files: Sequence[str], folder: Path
) -> dict[str, str]:
    """The text of each file of the site, by its path in ``folder``, which links are relative to.

    settings: see :func:`spml.planning.stage_settings.report_settings`, and ``made_with`` there.
    benchmarks: those of training. files: the configuration files that define methods, datasets or
    protocols.
    """
    names = methods.unique_names(method_titles(settings))
    runs = read_runs(settings["runs"]["groups"], names, benchmarks, settings["made_with"])
    site = Site(settings, runs, files)
    environment = _environment(site)

    def page(name: str, template: str, **values: Any) -> None:
        root = "../" * name.count("/")
        here = (folder / name).parent
        result[name] = environment.get_template(template).render(
            root=root, relative=lambda path: os.path.relpath(path, here), **values
        )

    result: dict[str, str] = {}
    page(
        pages.INDEX,
        "index.html.j2",
        picture=site.exhibit(GAP),
        counted=verdicts.claims_phrase(site.claims),
    )
    page(pages.METHODS, "methods.html.j2")
    for paper in site.papers:
        page(paper["page"], "paper.html.j2", paper=paper)
    for dataset in site.datasets:
        page(dataset["page"], "dataset.html.j2", dataset=dataset)
    entries = definitions.entries(files, "methods")
    grids = settings["runs"].get("grids", {})
    sources = {file: definitions.opening_comment(file) for file in files}
    for method in site.methods:
        page(
            method.page,
            "method.html.j2",
            method=method,
            entries=methods.entries_of(grids.get(method.key, method.key), entries),
            sources=sources,
            gradient=site.gradients.get(method.key),
            rows=methods.exhibit_rows(method, site.exhibits),
            hyperparameters=methods.settings_table(
                "Hyperparameter", site.titled(method.hyperparameters()), method.loss.defaults
            ),
            results=method.results({place: site.place_title(place) for place in method.places}),
            training=methods.settings_table("Setting", site.titled(method.training()), {}),
        )
    page(
        pages.PROVENANCE,
        "provenance.html.j2",
        cost=cost_table(site.runs),
        total=texts.format_duration(sum(run.measured["s"] for run in site.runs)),
        origins=origins.origins(site.runs),
        configuration=_as_yaml(site.configuration),
    )
    for name in ("style.css", "script.js"):
        result[name] = (TEMPLATES / name).read_text(encoding="utf-8")
    result["search.js"] = index_script(site.search_entries())
    return result
