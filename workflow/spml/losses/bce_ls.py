"""BCE-LS: binary cross entropy on full labels, with label smoothing.

    s = 1 : (1 - smoothing) * -log p       + smoothing * -log(1 - p)
    s = -1: (1 - smoothing) * -log(1 - p) + smoothing * -log p

`observed` is here the full truth, 1 and -1. A 0 counts like -1.

Source: Cole et al., Multi-Label Learning from Single Positive Labels, CVPR 2021, whose smoothing
of 0.1 is not divided by two. The released code adds 1e-5 inside the logarithm; here it is exact.
"""

from .an_ls import SmoothedAssumeNegative


class SmoothedBinaryCrossEntropy(SmoothedAssumeNegative):
    """Binary cross entropy with smoothed labels; hyperparameters as of `an_ls`."""
