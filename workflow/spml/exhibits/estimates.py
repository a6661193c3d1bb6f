"""What exhibits know of the uncertainty of test mAP: estimates by method, with their intervals.

Images count by their influence, which costs a fraction of a second where a bootstrap costs minutes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spml.data.labels import load_labels
from spml.data.matrices import dense
from spml.exhibits.records import read_array, select_rows
from spml.exhibits.settings import Block
from spml.measures.statistics import Estimate, map_influence
from spml.plumbing.addresses import labels_path


def map_estimates(
    block: Block, methods: Iterable[str], seeds: Sequence[int], collected: pd.DataFrame
) -> dict[str, Estimate]:
    """Test mAP in percent of each method on one block.

    collected: the tidy table of the exhibit, which has the mAP of each run.
    """
    split = load_labels(labels_path(block.dataset)).test
    truth = dense(split.truth)
    annotated = None if split.annotated is None else dense(split.annotated)
    found = {}
    for method in methods:
        here = select_rows(collected, block, method)
        values = here[here["metric"] == "test_map"].set_index("seed")["value"]
        influences = [
            map_influence(
                read_array(block, method, seed, "predictions.npz", "test"), truth, annotated
            )
            for seed in seeds
        ]
        found[method] = Estimate.of_seeds(values.loc[list(seeds)].to_list(), influences)
    return found


def interval_columns(estimate: Estimate, prefix: str = "") -> dict[str, float]:
    """Columns ``low`` and ``high``: the 95 % interval."""
    low, high = estimate.interval()
    return {f"{prefix}low": low, f"{prefix}high": high}


def difference_columns(estimate: Estimate | None, reference: Estimate | None) -> dict[str, Any]:
    """Columns of the difference to a reference and its interval; empty without another one."""
    if estimate is None or reference is None or reference is estimate:
        return dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    difference = estimate - reference
    return {"difference": difference.mean, **interval_columns(difference, "difference_")}
