"""Which pages the report has, and where they lie. Planning imports this: it imports nothing."""

from typing import Any

INDEX = "index.html"
METHODS = "methods.html"
PROVENANCE = "provenance.html"
# Each is a file of its own, so that browsers fetch it once; scripts cannot read JSON from a disk.
ASSETS = ("style.css", "script.js", "search.js")


def paper_page(paper: str) -> str:
    """Page of the exhibits of a paper, relative to the site, as all of these are."""
    return f"papers/{paper}.html"


def dataset_page(dataset: str) -> str:
    """Page of a dataset."""
    return f"datasets/{dataset}.html"


def method_page(method: str) -> str:
    """Page of a method."""
    return f"methods/{method}.html"


def run_anchor(dataset: str, protocol: str, seed: int) -> str:
    """Where a run stands on the page of its method."""
    return f"run-{dataset}-{protocol}-{seed}"


def runs_anchor(dataset: str, protocol: str) -> str:
    """Where a method's runs on a dataset under a protocol stand on its page."""
    return f"runs-{dataset}-{protocol}"


def page_paths(settings: dict[str, Any]) -> list[str]:
    """All files of the site, from the settings of the report."""
    papers = dict.fromkeys(item["key"].partition("_")[0] for item in settings["exhibits"])
    return [
        INDEX,
        METHODS,
        PROVENANCE,
        *ASSETS,
        *map(paper_page, papers),
        *map(dataset_page, settings["configuration"]["datasets"]),
        *map(method_page, settings["runs"]["methods"]),
    ]
