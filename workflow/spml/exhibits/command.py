"""The command line of an exhibit: settings in, the exhibit's files out."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from spml.plumbing.addresses import run_path
from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path, read_json, write_text
from spml.plumbing.run_settings import check_record


def module_of(function: Callable[..., Any]) -> str:
    """The name of the module that defines a function, also where that module runs as a command."""
    specification = sys.modules[function.__module__].__spec__
    return specification.name if specification else function.__module__


def parse_arguments(module: str, description: str | None) -> tuple[dict[str, Any], Path]:
    """The settings of the exhibit and the path of its files without their suffix."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="the exhibit as JSON")
    parser.add_argument("--output-directory", required=True, type=Path, help="where its files go")
    arguments = parser.parse_args()
    if not arguments.settings["blocks"]:
        raise UserError(
            f"{module.rpartition('.')[2]} has nothing to show: none of its protocols is selected "
            "for a selected dataset"
        )
    if "made_with" in arguments.settings:
        _check_runs(arguments.settings)
    return arguments.settings, arguments.output_directory / arguments.settings["name"]


def _check_runs(settings: dict[str, Any]) -> None:
    """Refuse runs that were made with other settings than those of the configuration."""
    for block in settings["blocks"]:
        for method in settings["methods"]:
            address = (block["dataset"], block["protocol"], method["name"])
            for seed in settings["seeds"]:
                folder = run_path(*address, seed)
                record = read_json(folder / "run.json")
                check_record(record, settings["made_with"], folder, address)


def given_phrase(settings: dict[str, Any]) -> str:
    """Which methods were trained elsewhere, with a space before; empty where none was."""
    text = ""
    if settings.get("given"):
        names = ", ".join(settings["given"])
        text = f" Not trained here, but evaluated from scores that were made elsewhere: {names}."
    if settings.get("left_out"):
        names = ", ".join(settings["left_out"])
        text += f" Left out, since there are scores of it alone: {names}."
    return text


def write_data(frame: pd.DataFrame, stem: Path) -> None:
    """Write the numbers of an exhibit as ``.csv``; ten digits are more than any of them holds."""
    with atomic_path(f"{stem}.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g")


def write_caption(text: str, stem: Path) -> None:
    """Write a caption as one line of plain text."""
    write_text(f"{stem}.caption.txt", " ".join(text.split()) + "\n")
