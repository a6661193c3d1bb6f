"""Print a finished exhibit, or how far a reproduction has come: ``python -m spml.show [exhibit]``.

Without an exhibit it prints the main table, or the status while that is not there. Of a figure it
prints the data and shows the picture, in a terminal that can. Imports no more than it needs, so
that it answers at once.
"""

import argparse
import csv
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from spml.desk.pictures import inline_picture, picture_protocol
from spml.desk.targets import with_targets_first
from spml.desk.terminal import align, terminal_width
from spml.exhibits.markdown import Table, parse_tables
from spml.plumbing.addresses import REPORT, exhibit_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import UserError, run_command

MAIN = "gr_main_table"
WIDTH = 88  # letters a line of a caption
PICTURE_WIDTH = 72  # letters, of a picture in the terminal


def is_made(exhibit: str) -> bool:
    """Whether there is something to print of an exhibit."""
    return any(exhibit_path(exhibit, suffix).is_file() for suffix in (".md", ".csv"))


def read_tables(exhibit: str) -> list[Table]:
    """The tables of an exhibit that is made; for a figure, its data."""
    table = exhibit_path(exhibit, ".md")
    if table.is_file():
        return parse_tables(verified(table).read_text(encoding="utf-8"))
    with verified(exhibit_path(exhibit, ".csv")).open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    return [Table(header, rows)]


def read_caption(exhibit: str) -> str:
    """The caption of an exhibit; empty where there is none."""
    path = exhibit_path(exhibit, ".caption.txt")
    return verified(path).read_text(encoding="utf-8") if path.is_file() else ""


def find_picture(exhibit: str) -> Path | None:
    """The picture of a figure; None of a table."""
    path = exhibit_path(exhibit, ".png")
    return verified(path) if path.is_file() else None


def show_picture(path: Path, *, width: int, terminal: bool) -> None:
    """Say where a picture is; show it small in a terminal that can."""
    if terminal and (protocol := picture_protocol(os.environ)):
        print(inline_picture(path.read_bytes(), protocol, columns=min(width, PICTURE_WIDTH)))
    print(f"Picture: {path}, and beside it as .pdf and .svg\n")


def describe_selection(exhibit: str) -> str:
    """Datasets, protocols and seeds of the rows of an exhibit; empty where they have none."""
    with verified(exhibit_path(exhibit, ".csv")).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    # Rows of runs open with these; other exhibits may name datasets that nothing was run on.
    if not rows or [*rows[0]][:2] != ["dataset", "protocol"]:
        return ""

    def values(column: str) -> str:
        return ", ".join(dict.fromkeys(row[column] for row in rows))

    parts = [f"datasets {values('dataset')}", f"protocols {values('protocol')}"]
    if "seed" in rows[0]:
        parts.append(f"seeds {values('seed')}")
    elif "seeds" in rows[0]:
        count = max(int(row["seeds"]) for row in rows)
        parts.append(f"{count} seed{'s' if count != 1 else ''}")
    return "; ".join(parts)


def explain_missing(exhibit: str, files: Sequence[str]) -> str:
    """Why an exhibit cannot be printed, and what to do; the configuration may be missing too."""
    from spml.desk import status
    from spml.planning.files import in_project, load
    from spml.planning.shown import is_shown

    runs = ""
    if in_project():
        config = load(files)
        if exhibit not in config["exhibits"]:
            from spml.plumbing.suggestions import suggestion

            return (
                f"there is no exhibit {exhibit!r} in config/exhibits.yaml"
                f"{suggestion(exhibit, config['exhibits'])}; there are: "
                f"{', '.join(config['exhibits'])}"
            )
        if not is_shown(config, exhibit):
            return f"{exhibit} cannot be made: {status.why_left_out(config, exhibit)}"
        done, needed = status.count_runs(config, exhibit)
        runs = f" ({done} of its {needed} runs are finished)" if needed else ""
    given = f" --configfile {' '.join(files)} --" if files else ""
    return (
        f"{exhibit_path(exhibit, '.md')} is not there yet{runs}; make it with: "
        f"snakemake --cores all{given} {exhibit}  (or everything with: make demo), in the "
        "project's folder"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.show", description=__doc__)
    parser.add_argument("exhibit", nargs="?", help="its key in config/exhibits.yaml")
    parser.add_argument("--status", action="store_true", help="what is done and what is missing")
    parser.add_argument(
        "--configfile", nargs="+", default=[], help="as given to snakemake, for the status"
    )
    arguments = parser.parse_args(with_targets_first(sys.argv[1:]))
    if arguments.configfile:
        from spml.planning.files import refuse_repeated

        refuse_repeated(sys.argv[1:])
    width, colour = terminal_width(), sys.stdout.isatty()
    if arguments.status or (arguments.exhibit is None and not is_made(MAIN)):
        from spml.desk import status
        from spml.planning.files import load

        config = load(arguments.configfile)
        tables = status.describe(config, arguments.exhibit)
        print("\n".join(align(table, width=width, colour=colour) for table in tables))
        print(status.summarise(config, arguments.configfile))
        return
    exhibit = arguments.exhibit or MAIN
    if not is_made(exhibit):
        raise UserError(explain_missing(exhibit, arguments.configfile))
    tables, caption, picture = read_tables(exhibit), read_caption(exhibit), find_picture(exhibit)
    print("\n".join(align(table, width=width, colour=colour) for table in tables))
    if picture:
        show_picture(picture, width=width, terminal=colour)
    if caption:
        print(textwrap.fill(caption, WIDTH) + "\n")
    if selection := describe_selection(exhibit):
        print(f"Selection: {selection}")
    there = Path(REPORT).is_file()
    print(f"Report: {REPORT}{'' if there else ' (not there yet; make it with: make demo)'}")


if __name__ == "__main__":
    run_command(main)
