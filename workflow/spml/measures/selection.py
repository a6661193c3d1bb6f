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


def should_stop(
    history: Sequence[dict[str, Any]],
    criterion: str,
    gap: float | None,
    patience: int | None = None,
) -> bool:
    """Whether training ends with the latest epoch, by its validation mAP.

    It does where that lies more than ``gap`` points below the best one so far, and where it is the
    ``patience``-th epoch in a row that is no new best. None for either: it never does for that.
    """
    key = CRITERIA[criterion]
    if gap is not None and max(record[key] for record in history) - history[-1][key] > gap:
        return True
    since_best = int(history[-1]["epoch"]) - select_epoch(history, criterion)
    return patience is not None and since_best >= patience
