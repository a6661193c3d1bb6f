"""Which epoch counts and when to stop, decided from the records of a run alone."""

from collections.abc import Sequence
from typing import Any

CRITERIA = {"clean": "val_map", "observed": "val_map_observed"}


def select_epoch(history: Sequence[dict[str, Any]], criterion: str) -> int:
    """The epoch, counted from 1, with the highest validation mAP; the earliest among equals.

    criterion: ``clean`` scores against the true validation labels, as the released codes of both
    papers do; ``observed`` against the labels that training could have seen.
    """
    key = CRITERIA[criterion]
    best = max(history, key=lambda record: record[key])
    return int(best["epoch"])


def should_stop(history: Sequence[dict[str, Any]], criterion: str, gap: float | None) -> bool:
    """Whether the latest validation mAP lies more than ``gap`` points below the best one so far."""
    if gap is None:
        return False
    key = CRITERIA[criterion]
    return max(record[key] for record in history) - history[-1][key] > gap
