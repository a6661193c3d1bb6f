"""What happens to a batch of packed images on the training device."""

from collections.abc import Sequence

import torch


class Normaliser:
    """Turns (B, channels, H, W) uint8 into float32 with ``(x / 255 - mean) / deviation``.

    Its constants are on the device from the start: sending them with a batch would make the host
    wait for the device.
    """

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], device: torch.device
    ) -> None:
        # One multiplication and one addition per pixel instead of two divisions and a subtraction.
        values = [[1.0 / (255.0 * d), -m / d] for m, d in zip(mean, deviation, strict=True)]
        scale, shift = torch.tensor(values, dtype=torch.float32, device=device).T
        self.scale, self.shift = scale[:, None, None], shift[:, None, None]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.shift, images.float(), self.scale)


def normalise(
    images: torch.Tensor, mean: Sequence[float], deviation: Sequence[float]
) -> torch.Tensor:
    """:class:`Normaliser` for a single batch."""
    return Normaliser(mean, deviation, images.device)(images)


def flip_some(images: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """Mirror left to right the images (B, channels, H, W) where ``flips`` (B,) bool is set."""
    return torch.where(flips[:, None, None, None], images.flip(-1), images)
