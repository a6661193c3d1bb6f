"""Classifiers: a backbone that makes a feature map, and a head that makes one logit a class."""

from pathlib import Path

import torch
from torch import nn

from spml.errors import UserError


class DigitNetwork(nn.Sequential):
    """Backbone of the embedded dataset: three convolutions, (B, 1, S, S) -> (B, 64, S/4, S/4)."""

    num_features = 64

    def __init__(self) -> None:
        super().__init__(
            *self._block(1, 16, pool=True),
            *self._block(16, 32, pool=True),
            *self._block(32, self.num_features, pool=False),
        )

    @staticmethod
    def _block(inputs: int, outputs: int, *, pool: bool) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        return [*layers, nn.MaxPool2d(2)] if pool else layers


ARCHITECTURES = {"digit_network": DigitNetwork}


class LinearHead(nn.Linear):
    """Global average pooling and one linear layer, as in both papers: (B, F, h, w) -> (B, C)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features.mean(dim=(2, 3)) if features.dim() == 4 else features)


class BoostedHead(nn.Conv2d):
    """BoostLU: a 1 x 1 convolution, positive activations times 5, then the spatial mean.

    (B, F, h, w) -> (B, C); the same in training and at test time. Source: Kim et al., Bridging the
    Gap between Model Explanations in Partially Annotated Multi-label Classification, CVPR 2023.
    """

    scale = 5.0

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__(num_features, num_classes, kernel_size=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        activation = super().forward(features)
        return torch.where(activation > 0, self.scale * activation, activation).mean(dim=(2, 3))


HEADS = {"linear": LinearHead, "boostlu": BoostedHead}


class Classifier(nn.Module):
    """A backbone and a head: images (B, channels, height, width) float to logits (B, C)."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


def build_classifier(architecture: str, num_classes: int, head: str = "linear") -> Classifier:
    """A classifier with random weights drawn from torch's global generator.

    Both heads draw the same weights, so that runs which differ in the head alone are paired.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"backbone.architecture {architecture!r} is unknown; known: {known}")
    backbone = ARCHITECTURES[architecture]()
    return Classifier(backbone, HEADS[head](backbone.num_features, num_classes))


def load_backbone(classifier: Classifier, weights: str | Path) -> None:
    """Load a state dict of tensors into the backbone; anything else is a :class:`UserError`."""
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        classifier.backbone.load_state_dict(state)
    except FileNotFoundError:
        raise UserError(f"backbone weights {weights} do not exist") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{weights} does not hold weights of a {type(classifier.backbone).__name__}: {reason}"
        ) from error
