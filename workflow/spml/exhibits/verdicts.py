"""The words of verdicts, which exhibits write into their data and the report's front page reads."""

from collections.abc import Sequence

SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
NOT_RUN = "not run"
CLAIMED = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_RUN)  # of a claim
# Of a published number, by what may be chance in our difference to it; or NOT_RUN.
WITHIN, OUTSIDE, UNKNOWN = "within", "outside", "uncertainty unknown"


def judge(low: float, high: float, above: float = 0.0) -> str:
    """Whether an interval bears out that a statistic lies above a value; NaN does not tell."""
    if low > above:
        return SUPPORTED
    return CONTRADICTED if high < above else INCONCLUSIVE


def overall(verdicts: Sequence[str]) -> str:
    """One verdict of those of each dataset, since a claim is made for all: the least favourable."""
    order = (CONTRADICTED, INCONCLUSIVE, SUPPORTED)
    return next((word for word in order if word in verdicts), NOT_RUN)
