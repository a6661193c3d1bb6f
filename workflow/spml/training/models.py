"""Classifiers: a backbone that makes features, and a head that makes one logit a class.

Most backbones make a map of features (B, F, h, w), of which a head takes the spatial mean. Some of
torchvision's make one vector (B, F) a picture themselves: the class token of a vision transformer,
the normalised mean of a ConvNeXt, what MaxViT has before its last layer.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spml.plumbing.checksums import file_checksum
from spml.plumbing.errors import UserError
from spml.plumbing.suggestions import suggestion


class DigitNetwork(nn.Sequential):
    """Backbone of the embedded dataset: three convolutions, (B, 1, S, S) -> (B, 64, S/4, S/4)."""

    num_features = 64
    makes_map = True

    def __init__(self) -> None:
        super().__init__(
            *self._block(1, 16, pool=True),
            *self._block(16, 32, pool=True),
            *self._block(32, self.num_features, pool=False),
        )

    @staticmethod
    def _block(inputs: int, outputs: int, *, pool: bool) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        # ReLU after pooling gives the same values as before it, from a quarter of them.
        pooling = [nn.MaxPool2d(2)] if pool else []
        return [convolution, nn.BatchNorm2d(outputs), *pooling, nn.ReLU(inplace=True)]


class TorchvisionBackbone(nn.Module):
    """What a torchvision classifier does before its global pooling: (B, 3, S, S) -> (B, F, h, w).

    Parts keep torchvision's names, so that its state dicts fit. A network without a map of features
    is a :class:`UserError`; :func:`_vector_backbone` makes those that are known.
    """

    makes_map = True

    def __init__(self, architecture: str) -> None:
        import torchvision

        super().__init__()
        network = torchvision.models.get_model(architecture, weights=None)
        self.architecture = architecture
        self.dropped = set(network.state_dict())
        for name, part in network.named_children():
            if isinstance(part, nn.AdaptiveAvgPool2d | nn.Linear) or name == "classifier":
                break
            if not name.lower().startswith("aux"):  # classifiers at half way
                self.add_module(name, part)
        if architecture.startswith("densenet"):
            self.add_module("relu", nn.ReLU())  # called as a function in torchvision's code
        self.dropped -= set(self.state_dict())
        self.num_features = self._measure()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for part in self.children():
            images = part(images)
        return images

    def _measure(self) -> int:
        """Number of feature maps of one small picture."""
        try:
            with torch.no_grad():
                _, features, _, _ = self.eval()(torch.zeros(1, 3, 224, 224)).shape
        except Exception as error:
            raise UserError(
                f"backbone.architecture {self.architecture!r} makes no map of features, and no "
                "vector that is known here; choose another classifier"
            ) from error
        self.train()
        return features


# Those of torchvision's networks that make a vector; the first part of their names.
WITHOUT_MAP = ("vit_", "convnext_", "maxvit_")


def _vector_backbone(architecture: str, size: int | None) -> Any:
    """What a torchvision classifier does before its last linear layer: (B, 3, S, S) -> (B, F).

    For networks that do more than average a map there. It is torchvision's own network with
    nothing in place of that layer, so that its state dicts fit. A vision transformer and a MaxViT
    are made for pictures of one ``size``, 224 where it is None.
    """
    import torchvision
    from torchvision.models import VisionTransformer

    options: dict[str, Any] = {}
    if size is not None and architecture.startswith("vit_"):
        options["image_size"] = size
    if size is not None and architecture.startswith("maxvit_"):
        options["input_size"] = (size, size)
    try:
        network: Any = torchvision.models.get_model(architecture, weights=None, **options)
    except (AssertionError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        raise UserError(
            f"backbone.architecture {architecture!r} cannot take pictures of {size} x {size} "
            f"({reason}); set source.size of the dataset to 224 or 448, or choose another network"
        ) from error
    names = set(network.state_dict())
    layers = network.heads if isinstance(network, VisionTransformer) else network.classifier
    network.num_features = layers[-1].in_features
    layers[-1] = nn.Identity()
    network.architecture = architecture
    network.makes_map = False
    network.dropped = names - set(network.state_dict())
    return network


def pooled(features: torch.Tensor) -> torch.Tensor:
    """One vector a picture (B, F): the spatial mean of a map (B, F, h, w), a vector as it is."""
    return features.mean(dim=(2, 3)) if features.dim() == 4 else features


ARCHITECTURES = {"digit_network": DigitNetwork}


class LinearHead(nn.Linear):
    """Global average pooling and one linear layer, as in both papers: (B, F, h, w) -> (B, C).

    Of a vector (B, F) a picture the linear layer alone.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.dim() == 4:
            # Not mean(): its gradient is laid out channels first, against the map's own layout,
            # and going through both at once takes ten times as long.
            features = features.sum(dim=(2, 3)) / features[0, 0].numel()
        return super().forward(features)


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
        features = self.backbone(images)
        if features.dtype != torch.bfloat16:
            return self.head(features)
        # In half precision many scores would be equal, and ranks among them arbitrary.
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


def _build_backbone(architecture: str, size: int | None) -> Any:
    """A module with ``num_features`` and ``makes_map`` (else a vector)."""
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]()
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if architecture not in known:
        raise UserError(
            f"backbone.architecture {architecture!r} is unknown"
            f"{suggestion(architecture, [*ARCHITECTURES, *known])}; it must be "
            f"{', '.join(sorted(ARCHITECTURES))} or a classifier of torchvision"
        )
    if architecture.startswith(WITHOUT_MAP):
        return _vector_backbone(architecture, size)
    return TorchvisionBackbone(architecture)


def build_classifier(
    architecture: str, num_classes: int, head: str = "linear", *, size: int | None = None
) -> Classifier:
    """A classifier with random weights drawn from torch's global generator.

    Both heads draw the same weights, so that runs which differ in the head alone are paired. size:
    of its pictures in pixels, which some networks have to know.
    """
    backbone = _build_backbone(architecture, size)
    if head == "boostlu" and not backbone.makes_map:
        raise UserError(
            f"the head boostlu needs a map of features, and {architecture} makes a vector; choose "
            "the head linear, or a convolutional classifier"
        )
    return Classifier(backbone, HEADS[head](backbone.num_features, num_classes))


def build_frozen_classifier(num_features: int, num_classes: int) -> Classifier:
    """A linear head (B, F) -> (B, C) alone, for features that a frozen backbone made before.

    Its weights are drawn from torch's global generator, like those of :func:`build_classifier`.
    """
    return Classifier(nn.Identity(), LinearHead(num_features, num_classes))


def _check_name(weights: Path) -> None:
    """Compare a file with the checksum that torchvision puts into its name, where there is one."""
    named = re.search(r"-([0-9a-f]{8,64})$", weights.stem)
    if named is None:
        return
    found = file_checksum(weights)
    if not found.startswith(named[1]):
        raise UserError(
            f"{weights} has sha256 {found}, but its name says {named[1]}: it is broken or not "
            "what it is called; delete it to get it again"
        )


def load_weights(classifier: Classifier, weights: str | Path, *, of_head: bool = False) -> None:
    """Load the state dict that a run has left; anything else is a :class:`UserError`.

    of_head: it is of the head alone, since the run did not train the backbone.
    """
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        kept = classifier.backbone.state_dict(prefix="backbone.") if of_head else {}
        classifier.load_state_dict({**kept, **state})
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{weights} cannot be read ({reason}); delete it and start again: it is made anew"
        ) from error


def load_backbone(classifier: Classifier, weights: str | Path) -> None:
    """Load a state dict of tensors into the backbone; anything else is a :class:`UserError`.

    Weights of a whole torchvision classifier are taken without its own classes. A vision
    transformer has an embedding of each place in a picture; for pictures of another size than
    those of the weights they are interpolated, as torchvision does it (bicubic).
    """
    backbone = classifier.backbone
    try:
        _check_name(Path(weights))
        state = torch.load(weights, map_location="cpu", weights_only=True)
        patch_size = getattr(backbone, "patch_size", None)
        if patch_size is not None and "encoder.pos_embedding" in state:
            from torchvision.models.vision_transformer import interpolate_embeddings

            state = interpolate_embeddings(backbone.image_size, patch_size, state)
        dropped: set[str] = getattr(backbone, "dropped", set())
        backbone.load_state_dict({key: state[key] for key in state if key not in dropped})
    except FileNotFoundError:
        raise UserError(f"backbone weights {weights} do not exist") from None
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        name = getattr(backbone, "architecture", type(backbone).__name__)
        raise UserError(f"{weights} does not hold weights of a {name}: {reason}") from error
