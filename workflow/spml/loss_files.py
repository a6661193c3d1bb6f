"""What planning and training both know of losses: which files hold one, and what each is given.

Planning does not import the losses, which import torch.
"""

from pathlib import Path

GIVEN = ("num_classes", "num_examples", "total_epochs")  # to the constructor of every loss


def is_loss(path: Path) -> bool:
    """Whether a file of the folder of losses holds one, and not what losses share."""
    return path.stem not in ("base", "framework") and not path.stem.startswith("_")
