"""Random streams that depend on a seed, an epoch and a purpose alone, never on what came before."""

import numpy as np
import torch

ORDER = 0
FLIPS = 1
LINEAR_INIT_ORDER = 2


def generator(seed: int, epoch: int, purpose: int) -> torch.Generator:
    """An independent stream for each seed, epoch and purpose (one of this module's constants).

    A run that goes on from a checkpoint, or with another number of workers, draws the same.
    """
    state = np.random.SeedSequence([seed, epoch, purpose]).generate_state(1, dtype=np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
