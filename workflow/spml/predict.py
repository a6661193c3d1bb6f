"""Probabilities of a finished run, as a table: one row a picture, one column a class.

    python -m spml.predict RUN IMAGES... --output predictions.csv
    python -m spml.predict RUN --test --output test.csv

RUN is the folder of a run, where it was made or copied elsewhere: it holds all that is needed.
IMAGES are files of any kind that Pillow reads, or folders of them. A picture that cannot be read is
named and left out, and the exit status is 1 then. With --test the scores are those that the run
itself has left of the test images, in the order of the dataset.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from spml.data.decode import decode_image
from spml.data.labels import load_labels
from spml.desk.predictor import FinishedRun, Predictor, read_run
from spml.plumbing.addresses import labels_path
from spml.plumbing.arrays import open_arrays
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import write_csv
from spml.plumbing.progress import Progress
from spml.training.devices import claim_device
from spml.training.precision import configure

BATCH_SIZE = 64


def find_images(given: Sequence[Path]) -> list[Path]:
    """The files, and for a folder those in it that are named like pictures, sorted."""
    from PIL import Image

    files = []
    for path in given:
        if path.is_dir():
            found = [each for each in path.rglob("*") if each.is_file()]
            known = Image.registered_extensions()
            pictures = sorted(each for each in found if each.suffix.lower() in known)
            if not pictures:
                raise UserError(f"{path} has no pictures; give files, or a folder that has some")
            files += pictures
        else:
            files.append(path)
    return files


def _read_batches(
    files: Sequence[Path], run: FinishedRun
) -> Iterator[list[np.ndarray | UserError]]:
    """Pictures (size, size, channels) uint8 in batches; in place of a broken one, why."""

    def read(path: Path) -> np.ndarray | UserError:
        if not path.exists():
            return UserError(f"image {path} does not exist; is its name spelt right?")
        try:
            return decode_image(path, run.size, run.channels, as_viewed=run.as_viewed)
        except UserError as error:
            return error

    # Pillow lets other threads run while it decodes and resizes.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for start in range(0, len(files), BATCH_SIZE):
            yield list(threads.map(read, files[start : start + BATCH_SIZE]))


def predict(
    run: FinishedRun, files: Sequence[Path], device_name: str = "auto"
) -> tuple[np.ndarray, dict[int, UserError]]:
    """Probabilities (N, C) float32 of ``files``, computed as the run has scored its test images.

    device_name: ``auto``, ``cpu`` or ``cuda``. Returns also what was wrong with the files that
    could not be read, by their positions; their rows are NaN.
    """
    claim = claim_device(device_name)
    configure(run.precision, deterministic=False, device=claim.device)
    predictor = Predictor(run, claim.device, run.precision)
    scores = np.full((len(files), len(run.classes)), np.nan, dtype=np.float32)
    broken: dict[int, UserError] = {}
    start = 0
    with torch.no_grad(), Progress(total=len(files), unit="image", mininterval=1) as progress:
        for pictures in _read_batches(files, run):
            read = {}
            for row, picture in enumerate(pictures, start):
                if isinstance(picture, UserError):
                    broken[row] = picture
                else:
                    read[row] = picture
                progress.update()
            start += len(pictures)
            if read:
                pixels = torch.from_numpy(np.stack(list(read.values()))).to(claim.device)
                scores[list(read)] = predictor(pixels).cpu().numpy()
    return scores, broken


def read_test_scores(run: FinishedRun, labels: Path | None) -> tuple[list[str], np.ndarray]:
    """Paths of the test images, as the dataset names them, and what the run has scored them."""
    dataset = run.settings["dataset"]
    labels = labels or labels_path(dataset)
    if not labels.is_file():
        raise UserError(
            f"{labels}, which names the test images, is not there; go to the project's folder or "
            f"give the labels of {dataset} with --labels"
        )
    names = load_labels(labels).test.paths()
    with open_arrays(run.file("predictions.npz")) as predictions:
        scores = predictions["test"]
    if scores.shape != (len(names), len(run.classes)):
        raise UserError(
            f"{labels} has {len(names)} test images and the run in {run.folder} has scored "
            f"{len(scores)}: they are of another dataset"
        )
    return names, scores


def write_scores(
    path: Path, classes: Sequence[str], names: Sequence[str], scores: np.ndarray
) -> None:
    """Write a table (.csv): ``image`` and a column a class, numbers as exact as they are."""
    rows = zip(names, scores.tolist(), strict=True)
    cells = ([name, *(f"{value:.9g}" for value in row)] for name, row in rows)
    write_csv(path, ["image", *classes], cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("images", nargs="*", type=Path, help="pictures, or folders of them")
    parser.add_argument("--test", action="store_true", help="what the run scored its test images")
    parser.add_argument("--labels", type=Path, help="for --test: labels of the dataset (.npz)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--output", required=True, type=Path, help="the table (.csv) to write")
    arguments = parser.parse_intermixed_args()
    if arguments.test == bool(arguments.images):
        parser.error("give pictures or --test, and not both")
    run = read_run(arguments.run)
    if arguments.test:
        names, scores = read_test_scores(run, arguments.labels)
        write_scores(arguments.output, run.classes, names, scores)
        return
    files = find_images(arguments.images)
    scores, broken = predict(run, files, arguments.device)
    kept = [row for row in range(len(files)) if row not in broken]
    if kept:
        names = [str(files[row]) for row in kept]
        write_scores(arguments.output, run.classes, names, scores[kept])
        print(f"{arguments.output}: {len(kept)} pictures, {len(run.classes)} classes")
    if broken:
        for error in broken.values():
            print(error, file=sys.stderr)
        remains = "all others are in" if kept else "nothing was written to"
        raise UserError(
            f"{len(broken)} of {len(files)} pictures could not be read and are left out; "
            f"{remains} {arguments.output}"
        )


if __name__ == "__main__":
    run_command(main)
