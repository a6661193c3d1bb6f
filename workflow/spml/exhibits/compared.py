"""What exhibits of comparisons share: the methods that were compared on a block, in groups."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from spml.exhibits.settings import Block
from spml.measures.statistics import Resampled, is_at_most, load_resampled
from spml.plumbing.addresses import comparison_path
from spml.plumbing.checksums import verified

RATE = 0.05  # false discovery rate


class Group(NamedTuple):
    """Methods of one block that ran with the same seeds and resamples: any two are paired.

    exhibits: titles of those that compare them. seeds: one a column of ``found.seed_map``. keys:
    of each method, the exhibits that compare it.
    """

    exhibits: tuple[str, ...]
    seeds: tuple[int, ...]
    found: Resampled
    keys: dict[str, tuple[str, ...]]


def _merge(first: Resampled, second: Resampled) -> Resampled:
    """The methods of both; of one that both have, one."""
    new = [place for place, name in enumerate(second.methods) if name not in first.methods]
    return Resampled(
        (*first.methods, *(second.methods[place] for place in new)),
        np.concatenate([first.seed_map, second.seed_map[new]]),
        np.concatenate([first.resampled, second.resampled[new]]),
        np.concatenate([first.influence, second.influence[new]]),
    )


def compared_groups(block: Block, settings: dict[str, Any]) -> list[Group]:
    """What was compared on a block; exhibits with the same seeds and resamples are one group."""
    pair = {"dataset": block.dataset, "protocol": block.protocol}
    groups: dict[tuple[Any, ...], Group] = {}
    for exhibit in settings["exhibits"]:
        if pair not in exhibit["comparisons"]:
            continue
        found = load_resampled(verified(comparison_path(exhibit["key"], **pair, suffix=".npz")))
        seeds = tuple(exhibit["seeds"])
        key = (*seeds, found.resampled.shape[1])
        before = groups.get(key, Group((), seeds, found, {}))
        keys = dict(before.keys)
        for method in found.methods:
            keys[method] = (*keys.get(method, ()), exhibit["key"])
        titles = (*before.exhibits, exhibit["title"])
        groups[key] = Group(titles, seeds, _merge(before.found, found), keys)
    return list(groups.values())


def pairs(found: Resampled) -> pd.DataFrame:
    """A row every two methods, that with the higher mAP first; mAP in percent.

    ``p`` is two-sided, over seeds and test images, or over images alone with one seed;
    ``corrected_p`` is corrected for all pairs (Benjamini and Hochberg), and ``differs`` whether it
    lies below the false discovery rate. ``p_at_most`` says that both are bounds.
    """
    mean = dict(zip(found.methods, found.map.tolist(), strict=True))
    order = sorted(found.methods, key=lambda name: -mean[name])
    compared = list(combinations(order, 2))
    frame = pd.DataFrame(compared, columns=["method", "other"])
    frame["map"], frame["other_map"] = frame["method"].map(mean), frame["other"].map(mean)
    frame["difference"] = frame["map"] - frame["other_map"]
    frame["p"] = [found.p(*pair) for pair in compared]
    frame["p_at_most"] = [is_at_most(p, found.resampled.shape[1]) for p in frame["p"]]
    frame["corrected_p"] = false_discovery_control(frame["p"]) if compared else []
    return frame.assign(differs=frame["corrected_p"] < RATE)
