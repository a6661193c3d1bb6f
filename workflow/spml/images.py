"""The training device, and what happens to a batch of packed images on it."""

from collections.abc import Sequence

import torch

from spml.errors import UserError


def normalise(
    images: torch.Tensor, mean: Sequence[float], deviation: Sequence[float]
) -> torch.Tensor:
    """Turn (B, channels, H, W) uint8 into float32 with ``(x / 255 - mean) / deviation``."""
    # One multiplication and one addition per pixel instead of two divisions and a subtraction.
    values = [[1.0 / (255.0 * d), -m / d] for m, d in zip(mean, deviation, strict=True)]
    scale, shift = torch.tensor(values, dtype=torch.float32, device=images.device).T
    return torch.addcmul(shift[:, None, None], images.float(), scale[:, None, None])


def flip_some(images: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """Mirror left to right the images (B, channels, H, W) where ``flips`` (B,) bool is set."""
    return torch.where(flips[:, None, None, None], images.flip(-1), images)


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; a device that is not there is a UserError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device is 'cuda' but torch sees no GPU; use 'auto' or 'cpu'")
    return torch.device(name)
