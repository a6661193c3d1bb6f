"""The command of the report: ``python -m spml.report``."""

import argparse
import json
from pathlib import Path

from spml import report
from spml.plumbing.errors import run_command
from spml.plumbing.files import write_text
from spml.report.site import render


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.report", description=report.__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="what to show, as JSON")
    parser.add_argument("--benchmarks", required=True, type=Path, help="benchmarks of training")
    parser.add_argument(
        "--definitions", nargs="*", default=[], help="YAML files that define methods and the like"
    )
    parser.add_argument("--output-directory", required=True, type=Path, help="where the site goes")
    arguments = parser.parse_args()
    folder = arguments.output_directory
    pages = render(arguments.settings, arguments.benchmarks, arguments.definitions, folder)
    for name, text in pages.items():
        write_text(folder / name, text)
    # A page of something that is no longer selected would look as current as the others.
    for page in folder.glob("**/*.html"):
        if str(page.relative_to(folder)) not in pages:
            page.unlink()


if __name__ == "__main__":
    run_command(main)
