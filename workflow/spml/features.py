"""Stage *features*: what the untrained backbone makes of each image, for linear-init runs.

Computed once per dataset and backbone and shared by every run that begins with its head alone.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import torch
from tqdm import tqdm

from spml.data.packed import Images, load_packed
from spml.plumbing.errors import run_command
from spml.plumbing.files import atomic_path
from spml.plumbing.machine import Machine
from spml.training.devices import claim_device
from spml.training.images import normalise
from spml.training.models import build_classifier, load_backbone
from spml.training.precision import configure

BATCH_SIZE = 64


def extract_features(
    backbone: torch.nn.Module,
    images: Images,
    *,
    mean: list[float],
    deviation: list[float],
    device: torch.device,
) -> Iterator[np.ndarray]:
    """Spatial means of the backbone's feature map in evaluation mode, without augmentation.

    images: (N, H, W, channels) uint8. Yields (B, features) float32, in the order of the images.
    """
    backbone = backbone.to(device).eval()
    with torch.no_grad():
        for start in tqdm(range(0, len(images), BATCH_SIZE), unit="batch", mininterval=1):
            # A copy, since mapped memory is read-only and torch wants to be able to write.
            batch = torch.from_numpy(np.array(images[start : start + BATCH_SIZE])).to(device)
            inputs = normalise(batch.permute(0, 3, 1, 2), mean, deviation)
            yield backbone(inputs).mean(dim=(2, 3)).cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.features", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="see the rule")
    parser.add_argument("--images", required=True, help="manifest of the packed images (.json)")
    parser.add_argument("--backbone", required=True, help="state dict of the backbone (.pt)")
    parser.add_argument(
        "--machine", type=json.loads, default={}, help="how to use this computer, as JSON"
    )
    parser.add_argument("--output", required=True, help="the .npy to write, training rows only")
    arguments = parser.parse_args()
    settings = arguments.settings
    torch.set_num_threads(settings["threads"])
    claim = claim_device(settings["device"], Machine(**arguments.machine).runs_per_gpu)
    configure("fp32", deterministic=False, device=claim.device)
    classifier = build_classifier(settings["architecture"], 1)
    load_backbone(classifier, arguments.backbone)
    images = load_packed(arguments.images).train
    batches = extract_features(
        classifier.backbone,
        images,
        mean=settings["images"]["mean"],
        deviation=settings["images"]["deviation"],
        device=claim.device,
    )
    shape = (len(images), next(classifier.head.parameters()).shape[1])
    # np.save would need all of them at once.
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_path(arguments.output) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches:
            file.write(batch.data)
    print(f"{shape[0]} rows of {shape[1]} features")


if __name__ == "__main__":
    run_command(main)
