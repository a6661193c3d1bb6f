"""A finished run as something that predicts: pixels in, probabilities out."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from spml.plumbing.checksums import RUN_CHECKSUMS, verified
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json
from spml.training.images import Normaliser
from spml.training.models import build_classifier, load_weights
from spml.training.precision import autocast


class FinishedRun(NamedTuple):
    """What a run has left in its folder; pictures are square, ``size`` pixels high and wide.

    as_viewed: whether they are read as :func:`spml.data.decode.decode_image` calls it. A run on
    features has seen none, and has size 0.
    """

    folder: Path
    settings: dict[str, Any]
    classes: tuple[str, ...]
    size: int
    channels: int
    as_viewed: bool

    def file(self, name: str) -> Path:
        """One of its files, compared with its checksum."""
        return verified(self.folder / name, self.folder / RUN_CHECKSUMS)

    @property
    def precision(self) -> str:
        """The arithmetic that it was trained and scored in."""
        precision: str = self.settings["training"].get("precision", "fp32")
        return precision


def read_run(folder: Path) -> FinishedRun:
    """Read a run's record; a folder without one that says enough is a UserError."""
    if not (folder / "run.json").is_file():
        raise UserError(
            f"{folder} has no run.json; give the folder of a finished run, such as "
            "results/runs/digits/demo/gr/seed0"
        )
    record = read_json(verified(folder / "run.json", folder / RUN_CHECKSUMS))
    if not {"classes", "image_shape"} <= record.keys():
        raise UserError(
            f"{folder}/run.json does not name its classes and the size of its images, as runs of "
            "versions up to 1.0.0 do not; make the run anew"
        )
    size, _, channels = record["image_shape"] or (0, 0, 0)
    return FinishedRun(
        folder,
        record["settings"],
        tuple(record["classes"]),
        size,
        channels,
        record.get("as_viewed", False),
    )


class Predictor(torch.nn.Module):
    """The selected weights of a run, in evaluation mode: (B, size, size, channels) uint8 to (B, C).

    Probabilities are float32, computed as the run has scored its test images.
    """

    def __init__(self, run: FinishedRun, device: torch.device, precision: str) -> None:
        super().__init__()
        if not run.size:
            raise UserError(
                f"the run in {run.folder} has trained a head on features, without the network that "
                "makes them; give the features to its weights.pt, or pictures to a run that trains "
                "its network"
            )
        settings, images = run.settings, run.settings["images"]
        classifier = build_classifier(
            settings["architecture"], len(run.classes), settings["head"], size=run.size
        )
        load_weights(classifier, run.file("weights.pt"))
        self.classifier = classifier.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision
        self._normalise = Normaliser(images["mean"], images["deviation"], device)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        with autocast(self.precision, pixels.device):
            logits: torch.Tensor = self.classifier(self._normalise(pixels.permute(0, 3, 1, 2)))
        return torch.sigmoid(logits.float())
