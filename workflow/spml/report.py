"""Stage *report*: one self-contained page with all exhibits and where their numbers come from.

Reads the files of each exhibit, the record of each run (run.json) and Snakemake's benchmark of its
training, and says nothing that none of them says.
"""

import argparse
import base64
import json
import os
import platform
import re
import struct
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import latex2mathml.converter
import markupsafe
import yaml

from spml.addresses import exhibit_path, run_path
from spml.errors import run_command
from spml.files import read_json, read_json_lines, write_text
from spml.markdown import BEST, Table, parse_tables
from spml.papers import PAPERS, REFERENCES

TEMPLATES = Path(__file__).parents[1] / "report"
PACKAGES = ("numpy", "pandas", "scipy", "matplotlib", "jinja2", "snakemake")
DOWNLOADS = ("pdf", "png", "csv", "md", "tex")

Run = dict[str, Any]


def sort_key(text: str) -> str:
    """What a cell is sorted by: its first number in plain digits, else its text in lower case."""
    number = re.match(r"[^\w]*?([-+\N{MINUS SIGN}]?\d[\d,]*\.?\d*)", text)
    if number is None:
        return text.lower()
    return number[1].replace("\N{MINUS SIGN}", "-").replace(",", "").replace("+", "")


def with_formulas(text: str) -> markupsafe.Markup:
    """Text with the LaTeX formulas between its dollar signs as MathML, everything else escaped."""
    parts = re.split(r"\$([^$]+)\$", text)
    return markupsafe.Markup("").join(
        markupsafe.Markup(latex2mathml.converter.convert(part)) if position % 2 else part
        for position, part in enumerate(parts)
    )


def picture(path: Path) -> dict[str, Any]:
    """A PNG inlined as base64, with the size in pixels at which it is shown.

    The size stands in the first bytes of every PNG. Pictures are drawn at 200 dots an inch; shown
    at 125 an inch, their text is as large as that of the page's captions.
    """
    content = path.read_bytes()
    width, height = (round(size * 125 / 200) for size in struct.unpack(">II", content[16:24]))
    return {"data": base64.b64encode(content).decode(), "width": width, "height": height}


def headlines(exhibits: list[dict[str, Any]]) -> list[str]:
    """One sentence for each table that marks a best row."""
    sentences = []
    for exhibit in exhibits:
        for table in exhibit["tables"]:
            place = f"{exhibit['title']}{f' on {table.title}' if table.title else ''}"
            sentences += [
                f"{place}: among the ranked methods, {table.rows[row][0]} has the best "
                f"{table.header[column]}, {table.rows[row][column]}."
                for (row, column), mark in table.marks.items()
                if mark == BEST
            ]
    return sentences


def read_exhibit(key: str, title: str, page: Path) -> dict[str, Any]:
    """Caption, tables or picture, and download links relative to ``page``."""
    files = {
        suffix: path for suffix in DOWNLOADS if (path := exhibit_path(key, f".{suffix}")).is_file()
    }
    return {
        "key": key,
        "title": title,
        "caption": exhibit_path(key, ".caption.txt").read_text(encoding="utf-8").strip(),
        "tables": parse_tables(files["md"].read_text(encoding="utf-8")) if "md" in files else [],
        "picture": picture(files["png"]) if "png" in files else None,
        "downloads": {suffix: os.path.relpath(path, page.parent) for suffix, path in files.items()},
    }


def read_runs(runs: dict[str, Any], benchmarks: Path) -> list[Run]:
    """The record of each run, with seconds and peak memory (MB) of its whole training job."""
    result = []
    for group in runs["groups"]:
        dataset, protocol = group["dataset"], group["protocol"]
        for item in group["methods"]:
            method = item["name"]
            for seed in item["seeds"]:
                job = benchmarks / dataset / protocol / method / f"seed{seed}.jsonl"
                measured = read_json_lines(job)[-1]
                result.append(
                    {
                        "dataset": dataset,
                        "protocol": protocol,
                        "method": method,
                        "title": runs["methods"][method],
                        "record": read_json(run_path(dataset, protocol, method, seed) / "run.json"),
                        "seconds": measured["s"],
                        "memory": measured["max_rss"],
                    }
                )
    return result


def format_duration(seconds: float) -> str:
    """Seconds as ``12.3 s``, ``4 min 05 s`` or ``3 h 07 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min"


def cost_table(runs: list[Run]) -> Table:
    """Time and memory of each method's runs; columns that would say nothing are left out."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["dataset"], run["protocol"], run["title"]), []).append(run)
    several = len({key[:2] for key in groups}) > 1
    on_gpu = any(run["record"]["peak_device_memory_mb"] for run in runs)
    rows = []
    for (dataset, protocol, title), group in groups.items():
        seconds = [run["seconds"] for run in group]
        row = [title, *([dataset, protocol] if several else []), str(len(group))]
        row += [f"{sum(seconds) / len(seconds):.1f}", f"{sum(seconds):.1f}"]
        row.append(f"{max(run['memory'] for run in group):.0f}")
        if on_gpu:
            row.append(f"{max(run['record']['peak_device_memory_mb'] for run in group)}")
        rows.append(row)
    header = ["Method", *(["Dataset", "Protocol"] if several else []), "Runs"]
    header += ["Mean time (s)", "Total time (s)", "Peak memory (MB)"]
    return Table([*header, "Peak GPU memory (MB)"] if on_gpu else header, rows)


def method_settings(runs: list[Run]) -> list[dict[str, Any]]:
    """What the runs of each method were trained with, from their own records."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        settings = {key: value for key, value in run["record"]["settings"].items() if key != "seed"}
        found[json.dumps(settings, sort_keys=True)] = settings
    return list(found.values())


def _tally(values: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _commit(record: dict[str, Any]) -> str:
    commit = record["git_commit"][:12] or "not in a git repository"
    return f"{commit} with uncommitted changes" if record["git_dirty"] else commit


def _first_match(path: str, pattern: str) -> str:
    """The first group of ``pattern`` in a file of the system; empty where there is no such file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""


def describe_machine() -> list[tuple[str, str]]:
    """The machine that writes the report."""
    processor = _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine()
    memory = _first_match("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$")
    return [
        ("Processor", f"{processor}, {os.cpu_count()} logical cores"),
        ("Memory", f"{int(memory) / 2**20:.1f} GiB" if memory else "unknown"),
        ("System", f"{platform.system()} {platform.release()}"),
    ]


def package_versions() -> list[tuple[str, str]]:
    """Versions of what makes exhibits and report; packages that are not installed are left out."""
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def provenance(runs: list[Run]) -> dict[str, Any]:
    """Commits, versions and devices of the runs, each with how many runs say so."""
    records = [run["record"] for run in runs]
    return {
        "commits": _tally(_commit(record) for record in records),
        "training_versions": _tally(
            ", ".join(f"{name} {number}" for name, number in record["versions"].items())
            for record in records
        ),
        "devices": _tally(record["device"] for record in records),
        "report_versions": package_versions(),
        "machine": describe_machine(),
    }


def _as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=None, allow_unicode=True)


def render(settings: dict[str, Any], benchmarks: Path, page: Path) -> str:
    """The page as HTML; ``page`` is where it will lie, which links are relative to."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sort_key"] = sort_key
    environment.filters["with_formulas"] = with_formulas
    exhibits = [read_exhibit(item["key"], item["title"], page) for item in settings["exhibits"]]
    papers = [
        {
            "key": paper,
            "title": title,
            "reference": REFERENCES.get(paper),
            "exhibits": [item for item in exhibits if item["key"].startswith(f"{paper}_")],
        }
        for paper, title in PAPERS.items()
    ]
    runs = read_runs(settings["runs"], benchmarks)
    configuration = settings["configuration"]
    return environment.get_template("index.html.j2").render(
        papers=[paper for paper in papers if paper["exhibits"]],
        headlines=headlines(exhibits),
        runs=len(runs),
        methods=list(settings["runs"]["methods"].values()),
        datasets=[item["title"] for item in configuration["datasets"].values()],
        protocols=[item["title"] for item in configuration["protocols"].values()],
        seeds=configuration["select"]["seeds"],
        cost=cost_table(runs),
        total=format_duration(sum(run["seconds"] for run in runs)),
        configuration=_as_yaml(configuration),
        methods_configuration=_as_yaml(method_settings(runs)),
        provenance=provenance(runs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.report", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="what to show, as JSON")
    parser.add_argument("--benchmarks", required=True, type=Path, help="benchmarks of training")
    parser.add_argument("--output", required=True, type=Path, help="the .html to write")
    arguments = parser.parse_args()
    write_text(arguments.output, render(arguments.settings, arguments.benchmarks, arguments.output))


if __name__ == "__main__":
    run_command(main)
