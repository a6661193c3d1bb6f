"""Fetch the images of a dataset that is not handed out in archives, many at a time.

Which images there are, the labels say. curl fetches them in batches; an image gets its name once it
has arrived whole, so that an interrupted run goes on where it stopped.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spml.data.labels import SPLITS, load_labels
from spml.datasets import dataset_module
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.exclusive import exclusive
from spml.plumbing.files import write_json

BATCH = 1000
ROUNDS = 5
FIRST_WAIT = 2.0
CURL = (
    "curl",
    "--parallel",
    *("--parallel-max", "32"),
    "--fail",
    "--location",
    "--silent",
    *("--connect-timeout", "30"),
    *("--speed-limit", "100"),
    *("--speed-time", "60"),
    *("--write-out", "%{exitcode} %{filename_effective}\\n"),
    *("--config", "-"),
)


def _fetch_batch(folder: Path, paths: Sequence[str], address: str) -> int:
    """Fetch some images; returns how many arrived."""
    lines = []
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        lines += [f'url = "{address}/{path}"', f'output = "{folder / path}.partial"']
    try:
        done = subprocess.run(
            CURL, input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("curl is not installed; it comes with envs/download.yaml") from None
    arrived = 0
    for line in done.stdout.splitlines():
        status, _, name = line.partition(" ")
        if status == "0":
            Path(name).replace(name.removesuffix(".partial"))
            arrived += 1
    return arrived


def fetch_images(folder: Path, paths: Sequence[str], address: str) -> dict[str, Any]:
    """Bring every image of ``paths`` into ``folder``; returns the manifest's content.

    Raises UserError, with the first of their names, where images cannot be had.
    """
    missing = [path for path in paths if not (folder / path).is_file()]
    with tqdm(
        total=len(paths), initial=len(paths) - len(missing), unit="image", mininterval=1
    ) as progress:
        for wait in [0.0, *(FIRST_WAIT * 2**n for n in range(ROUNDS - 1))]:
            if missing:
                time.sleep(wait)
            for start in range(0, len(missing), BATCH):
                progress.update(_fetch_batch(folder, missing[start : start + BATCH], address))
            missing = [path for path in missing if not (folder / path).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(paths)} images could not be fetched from {address}, the first "
            f"one {missing[0]}; those that arrived are kept"
        )
    listing = hashlib.sha256("".join(f"{path}\n" for path in sorted(paths)).encode()).hexdigest()
    return {"address": address, "files": len(paths), "listing": listing}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.fetch_images", description=__doc__)
    parser.add_argument("--dataset", required=True, help="module of spml.datasets")
    parser.add_argument("--raw", required=True, type=Path, help="folder of the official tree")
    parser.add_argument("--labels", required=True, help="labels of the dataset (.npz)")
    parser.add_argument("--address", required=True, help="folder of the web that holds the images")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest (.json) to write")
    arguments = parser.parse_args()
    labels = load_labels(arguments.labels)
    paths = [path for name in SPLITS for path in getattr(labels, name).paths()]
    folder = dataset_module(arguments.dataset).image_folder(arguments.raw)
    with exclusive(arguments.manifest):
        manifest = fetch_images(folder, paths, arguments.address.rstrip("/"))
        write_json(arguments.manifest, manifest)
    print(f"{folder}: {manifest['files']} images", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
