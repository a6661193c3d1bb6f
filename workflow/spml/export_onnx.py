"""The network of a finished run as ONNX: ``python -m spml.export_onnx RUN --output model.onnx``.

Its input ``pixels`` is (pictures, size, size, channels) uint8, of as many pictures as you like,
resized as ``spml.predict`` does; its output ``probabilities`` (pictures, classes) float32. The
normalisation is in it, and class names and size are among its metadata. What is written is run by
ONNX Runtime first and has to agree with torch within 1e-4. Needs onnx, onnxruntime and onnxscript.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from spml.desk.predictor import Predictor, read_run
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import atomic_path

TOLERANCE = 1e-4
PICTURES = 5  # other than while tracing, so that a fixed number of them would be noticed


def export(folder: Path, output: Path) -> float:
    """Write the network; return the largest difference of a probability to torch's."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"{error}; install what ONNX needs: pip install onnx onnxruntime onnxscript"
        ) from None
    run = read_run(folder)
    predictor = Predictor(run, torch.device("cpu"), "fp32")
    shape = (run.size, run.size, run.channels)
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
    )
    with torch.no_grad(), atomic_path(output) as temporary:
        torch.onnx.export(
            predictor,
            (pixels[:2],),
            temporary,
            input_names=["pixels"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("pictures")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(temporary)
        metadata = {"classes": json.dumps(run.classes), "size": str(run.size)}
        onnx.helper.set_model_props(model, metadata)
        onnx.save(model, temporary)
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        [found] = session.run(["probabilities"], {"pixels": pixels.numpy()})
        difference = float(np.abs(found - predictor(pixels).numpy()).max())
        if not difference <= TOLERANCE:
            raise UserError(
                f"the network of {folder} differs in ONNX by {difference:.0e} in a probability, "
                f"more than {TOLERANCE}; nothing was written to {output}"
            )
    return difference


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m spml.export_onnx",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--output", required=True, type=Path, help="the file (.onnx) to write")
    arguments = parser.parse_args()
    difference = export(arguments.run, arguments.output)
    print(f"{arguments.output}: differs from torch by at most {difference:.0e} in a probability")


if __name__ == "__main__":
    run_command(main)
