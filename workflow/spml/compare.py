"""Stage *compare*: differences of test mAP to a reference method, on one dataset and protocol.

One row a method: the difference of the means over seeds in points, its 95 % interval and the
two-sided p over seeds and test images (:mod:`spml.measures.statistics`), and that p corrected for
the number of methods compared (false discovery rate, Benjamini and Hochberg 1995). ``p_at_most`` is
whether both are bounds, since less than one resample lies beyond zero. Of one seed, interval and p
are over test images alone.

Beside it an .npz from which any two methods can be compared: ``methods`` (M,) str, the reference
first, ``seed_map`` (M, S) float64, the test mAP of each run in percent, ``resampled`` (M, R)
float64, its mean over seeds on resampled test images, and ``influence`` (M, N) float64, the
derivative of that mean by the weight of each test image.
"""

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from spml.data.labels import load_labels
from spml.data.matrices import dense
from spml.measures.statistics import (
    Resampled,
    draw_weights,
    is_at_most,
    map_influence,
    resampled_map,
)
from spml.plumbing.addresses import labels_path, run_path
from spml.plumbing.arrays import open_arrays
from spml.plumbing.checksums import RUN_CHECKSUMS, verified, write_checksums
from spml.plumbing.errors import run_command
from spml.plumbing.files import atomic_path, read_json

KEYS = ["dataset", "protocol", "method", "reference"]
COLUMNS = [
    *KEYS,
    "seeds",
    "resamples",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_at_most",
    "corrected_p",
]


def resample(settings: dict[str, Any]) -> Resampled:
    """The test mAP of the reference and the methods of ``settings``, and how images move it."""
    dataset, protocol, seeds = settings["dataset"], settings["protocol"], settings["seeds"]
    split = load_labels(labels_path(dataset)).test
    truth = dense(split.truth)
    annotated = None if split.annotated is None else dense(split.annotated)
    weights = draw_weights(resamples=settings["resamples"], images=len(truth))
    methods = (settings["reference"], *settings["methods"])
    seed_map, resampled, influence = [], [], []
    for method in methods:
        runs = [run_path(dataset, protocol, method, seed) for seed in seeds]
        scores = []
        for run in runs:
            predictions = verified(run / "predictions.npz", run / RUN_CHECKSUMS)
            with open_arrays(predictions) as arrays:
                scores.append(arrays["test"])
        metrics = [read_json(verified(run / "metrics.json")) for run in runs]
        seed_map.append([each["test"]["map"] for each in metrics])
        resampled.append(resampled_map(np.stack(scores), truth, weights, annotated))
        influence.append(
            np.mean([map_influence(each, truth, annotated) for each in scores], axis=0)
        )
    return Resampled(methods, *map(np.array, (seed_map, resampled, influence)))


def compare(settings: dict[str, Any], found: Resampled) -> pd.DataFrame:
    """The table of differences; methods in the order of ``settings``."""
    reference, count = settings["reference"], len(settings["seeds"])
    rows = []
    for method in found.methods[1:]:
        row = (settings["dataset"], settings["protocol"], method, reference, count)
        p, resamples = found.p(method, reference), settings["resamples"]
        difference = found.difference(method, reference)
        rows.append((*row, resamples, *difference, p, is_at_most(p, resamples)))
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    table["corrected_p"] = false_discovery_control(table["p"]) if rows else []
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="what to compare: JSON")
    parser.add_argument("--output", required=True, help="the .csv to write")
    parser.add_argument("--resamples", required=True, help="the .npz to write")
    arguments = parser.parse_args()
    found = resample(arguments.settings)
    with atomic_path(arguments.resamples) as temporary:
        np.savez_compressed(temporary, **found._asdict())
    with atomic_path(arguments.output) as temporary:
        table = compare(arguments.settings, found)
        table.to_csv(temporary, index=False, float_format="%.10g")
    write_checksums(arguments.output, arguments.resamples)


if __name__ == "__main__":
    run_command(main)
