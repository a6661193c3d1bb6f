"""The command line of an exhibit: settings in, the exhibit's files out."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from spml.plumbing.errors import UserError
from spml.plumbing.files import atomic_path, write_text


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
    return arguments.settings, arguments.output_directory / arguments.settings["name"]


def write_data(frame: pd.DataFrame, stem: Path) -> None:
    """Write the numbers of an exhibit as ``.csv``; ten digits are more than any of them holds."""
    with atomic_path(f"{stem}.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g")


def write_caption(text: str, stem: Path) -> None:
    """Write a caption as one line of plain text."""
    write_text(f"{stem}.caption.txt", " ".join(text.split()) + "\n")
