"""Stage *compare*: differences of test mAP to a reference method, on one dataset and protocol.

One row a method: the difference of the means over seeds in points, its 95 % interval from a paired
bootstrap over seeds and test images, the two-sided p of that bootstrap, and that p corrected for
the number of methods compared (false discovery rate, Benjamini and Hochberg 1995).
"""

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from spml.addresses import labels_path, run_path
from spml.arrays import open_arrays
from spml.errors import UserError, run_command
from spml.files import atomic_path, read_json
from spml.labels import load_labels
from spml.statistics import draw_resamples, interval, resampled_map, two_sided_p

KEYS = ["dataset", "protocol", "method", "reference"]
COLUMNS = [
    *KEYS,
    "seeds",
    "resamples",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "corrected_p",
]


def compare(settings: dict[str, Any]) -> pd.DataFrame:
    """The table of the comparison that ``settings`` describe; methods in their order."""
    dataset, protocol, seeds = settings["dataset"], settings["protocol"], settings["seeds"]
    split = load_labels(labels_path(dataset)).test
    if split.annotated is not None:
        raise UserError(f"{dataset} is annotated in part, which the bootstrap does not know of")
    resamples = draw_resamples(
        resamples=settings["resamples"], seeds=len(seeds), images=len(split.truth)
    )

    def measure(method: str) -> tuple[float, np.ndarray]:
        """Mean test mAP over seeds, and that of each resample."""
        runs = [run_path(dataset, protocol, method, seed) for seed in seeds]
        scores = []
        for run in runs:
            with open_arrays(run / "predictions.npz") as arrays:
                scores.append(arrays["test"])
        means = [read_json(run / "metrics.json")["test"]["map"] for run in runs]
        return float(np.mean(means)), resampled_map(np.stack(scores), split.truth, resamples)

    reference_mean, reference = measure(settings["reference"])
    rows = []
    for method in settings["methods"]:
        mean, resampled = measure(method)
        differences = resampled - reference
        low, high = interval(differences)
        row = (dataset, protocol, method, settings["reference"], len(seeds), settings["resamples"])
        rows.append((*row, mean - reference_mean, low, high, two_sided_p(differences)))
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
    arguments = parser.parse_args()
    with atomic_path(arguments.output) as temporary:
        compare(arguments.settings).to_csv(temporary, index=False, float_format="%.10g")


if __name__ == "__main__":
    run_command(main)
