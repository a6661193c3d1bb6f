"""What the exhibits of a search share: its scores, and how a variant reads beside its method."""

import pandas as pd

from spml.plumbing.addresses import SEARCH_TABLE
from spml.plumbing.checksums import verified

# By which labels something is chosen, as a caption says it.
LABELS = {"clean": "the true labels", "observed": "the observed labels"}


def read_scores() -> pd.DataFrame:
    """The scores of all variants, as :mod:`spml.choose` describes them."""
    return pd.read_csv(verified(SEARCH_TABLE))


def varied(title: str) -> str:
    """What a variant varies: ``q3 1.5`` of the title ``GR Loss, q3 1.5``."""
    return title.partition(", ")[2] or title
