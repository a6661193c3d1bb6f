"""Stage *describe*: the losses themselves, without data or training.

Outputs: how each loss reads in the generalized loss of GR (``mapping.csv``), and the derivative of
the cost of one unobserved entry with respect to its logit, for the figure that compares some losses
(``gradients.csv``) and for the page of each method (``method_gradients.csv``). All are taken from
the objects that train.
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
from spml.training.precision import use_common_instructions

POINTS = 199
COLUMNS = ("method", "title", "epoch", "total_epochs", "probability", "gradient")


def entry_gradient(
    loss: Loss, probability: torch.Tensor, epoch: int, *, positive: bool = False
) -> torch.Tensor:
    """dL/dz of an unobserved entry, (N,) float64, by automatic differentiation.

    probability: (N,) float64 in (0, 1), that of all C classes of an image. positive: whether the
    last class of each image is observed as positive. The loss is a mean over entries, so its
    gradient is multiplied by their number. A batch-dependent loss sees all images as one batch.
    """
    logits = torch.logit(probability)[:, None].repeat(1, loss.num_classes).requires_grad_()
    observed = torch.zeros(logits.shape, dtype=torch.int8)
    if positive:
        observed[:, -1] = 1
    cost = loss(logits, observed, index=torch.arange(len(logits)), epoch=epoch)
    if not cost.requires_grad:  # it costs nothing whatever is predicted
        return torch.zeros_like(probability)
    (gradient,) = torch.autograd.grad(cost, logits)
    return gradient[:, 0] * logits.numel()


def _build(curve: dict[str, Any], classes: int, examples: int) -> Loss:
    return losses.build(
        curve["loss"],
        num_classes=classes,
        num_examples=examples,
        total_epochs=curve["total_epochs"],
        **curve["hyperparameters"],
    )


def depends_on_prediction_alone(curve: dict[str, Any], epoch: int) -> bool:
    """Whether what an unobserved entry costs depends on its prediction and the epoch alone.

    Then it is the same whatever else is in the batch, such as the highest and lowest predictions
    and observed positives, and however many classes there are. That a loss does not work with so
    few, for whatever reason, says no, too: it is trained with the classes that it was made for.
    """
    p = torch.linspace(0, 1, 9, dtype=torch.float64)[1:-1]
    try:
        few = entry_gradient(_build(curve, 2, len(p)), p, epoch)
        rest = entry_gradient(_build(curve, 3, len(p)), p[1:-1], epoch, positive=True)
    except Exception:
        return False
    return torch.allclose(few[1:-1], rest, rtol=1e-6, atol=1e-9)


def method_gradient_rows(curves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """:func:`gradient_rows` of those of which one curve tells all.

    Of the others it would be the curve of one batch. Those that are not finite everywhere are left
    out as well: a report is no place to fail for that.
    """
    alone = [
        curve
        for curve in curves
        if all(depends_on_prediction_alone(curve, epoch) for epoch in _epochs(curve))
    ]
    rows = gradient_rows(alone, points=99, classes=2)
    broken = {row["method"] for row in rows if not np.isfinite(row["gradient"])}
    return [row for row in rows if row["method"] not in broken]


def _epochs(curve: dict[str, Any]) -> list[int]:
    """The first, the middle (T / 2) and the last."""
    last = curve["total_epochs"]
    return sorted({1, max(1, last // 2), last})


def gradient_rows(
    curves: list[dict[str, Any]], points: int = POINTS, *, classes: int = 1
) -> list[dict[str, Any]]:
    """One row a method, epoch and probability.

    curves: name, title, loss, hyperparameters and total_epochs T of each method. Epochs are the
    first, the middle (T / 2) and the last; of a loss that does not change, the first alone.
    """
    probability = torch.linspace(0, 1, points + 2, dtype=torch.float64)[1:-1]
    rows = []
    for curve in curves:
        seen: list[torch.Tensor] = []
        for epoch in _epochs(curve):
            gradient = entry_gradient(_build(curve, classes, points), probability, epoch)
            if seen and torch.equal(gradient, seen[0]):
                continue
            seen.append(gradient)
            rows += [
                {
                    "method": curve["name"],
                    "title": curve["title"],
                    "epoch": epoch,
                    "total_epochs": curve["total_epochs"],
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
    use_common_instructions()
    rows = gradient_rows(arguments.settings["curves"])
    of_methods = method_gradient_rows(arguments.settings["methods"])
    for row in rows:
        if not np.isfinite(row["gradient"]):
            raise UserError(
                f"the gradient of {row['title']} at p = {row['probability']} is not finite"
            )
    mapping = losses.mapping_table()
    for name, columns, table in (
        ("gradients.csv", COLUMNS, rows),
        ("method_gradients.csv", COLUMNS, of_methods),
        ("mapping.csv", mapping[0], mapping),
    ):
        path = arguments.output_directory / name
        write_text(path, format_csv(columns, table))
        write_checksums(path)
    print(f"{len(mapping)} losses, {len(rows) + len(of_methods)} points of gradients")


if __name__ == "__main__":
    run_command(main)
