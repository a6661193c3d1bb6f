"""IUN, ignore unobserved positives, know all negatives: one positive and every true negative.

    s =  1: -log p
    s = -1: -log(1 - p)
    s =  0: 0

An oracle: `observed` holds -1 for every true negative, 1 for the one observed positive, and 0 for
the positives that were not observed.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021. The released code
looks for true labels of -1 where 0 is stored, so that it trains on positives alone; Zhou et al.
(ECCV 2022) repaired that, and so is it here. It also adds 1e-5 inside the logarithm; here it is
exact.
"""

from .iu import IgnoreUnobserved


class IgnoreUnobservedNegatives(IgnoreUnobserved):
    """The annotated entries alone, as `iu`; no hyperparameters."""
