"""Stage *describe*: the losses themselves, without data or training.

Outputs: how each loss reads in the generalized loss of GR (``mapping.csv``), and the derivative of
the cost of one unobserved entry with respect to its logit (``gradients.csv``), both taken from the
objects that train.
"""

import argparse
import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spml import losses
from spml.losses.base import Loss
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError, run_command
from spml.plumbing.files import write_text

POINTS = 199
COLUMNS = ("method", "title", "epoch", "total_epochs", "probability", "gradient")


def entry_gradient(loss: Loss, probability: torch.Tensor, epoch: int) -> torch.Tensor:
    """dL/dz of an unobserved entry, (N,) float64, by automatic differentiation.

    probability: (N,) float64 in (0, 1). The loss is a mean over entries, so its gradient is
    multiplied by their number. A batch-dependent loss sees all N entries as one batch.
    """
    logits = torch.logit(probability)[:, None].requires_grad_()
    index = torch.arange(len(logits))
    observed = torch.zeros(logits.shape, dtype=torch.int8)
    (gradient,) = torch.autograd.grad(loss(logits, observed, index=index, epoch=epoch), logits)
    return gradient[:, 0] * len(logits)


def gradient_rows(curves: list[dict[str, Any]], points: int = POINTS) -> list[dict[str, Any]]:
    """One row a method, epoch and probability.

    curves: name, title, loss, hyperparameters and total_epochs T of each method. Epochs are the
    first, the middle (T / 2) and the last; of a loss that does not change, the first alone.
    """
    probability = torch.linspace(0, 1, points + 2, dtype=torch.float64)[1:-1]
    rows = []
    for curve in curves:
        last = curve["total_epochs"]
        seen: list[torch.Tensor] = []
        for epoch in sorted({1, max(1, last // 2), last}):
            loss = losses.build(
                curve["loss"],
                num_classes=1,
                num_examples=points,
                total_epochs=last,
                **curve["hyperparameters"],
            )
            gradient = entry_gradient(loss, probability, epoch)
            if seen and torch.equal(gradient, seen[0]):
                continue
            seen.append(gradient)
            rows += [
                {
                    "method": curve["name"],
                    "title": curve["title"],
                    "epoch": epoch,
                    "total_epochs": last,
                    "probability": float(p),
                    "gradient": float(value),
                }
                for p, value in zip(probability, gradient, strict=True)
            ]
    return rows


def format_csv(columns: Iterable[str], rows: list[dict[str, Any]]) -> str:
    """Rows as CSV with a header, which stands there without any row too."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spml.describe", description=__doc__)
    parser.add_argument("--settings", required=True, type=json.loads, help="see the rule")
    parser.add_argument("--output-directory", required=True, type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = gradient_rows(arguments.settings["curves"])
    for row in rows:
        if not np.isfinite(row["gradient"]):
            raise UserError(
                f"the gradient of {row['title']} at p = {row['probability']} is not finite"
            )
    mapping = losses.mapping_table()
    for name, columns, table in (
        ("gradients.csv", COLUMNS, rows),
        ("mapping.csv", mapping[0], mapping),
    ):
        path = arguments.output_directory / name
        write_text(path, format_csv(columns, table))
        write_checksums(path)
    print(f"{len(mapping)} losses, {len(rows)} points of gradients")


if __name__ == "__main__":
    run_command(main)
