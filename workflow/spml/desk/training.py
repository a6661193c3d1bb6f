"""Whether training takes the networks and losses of the selected runs, by trying each once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spml.desk.finding import FAIL, OK, Finding
from spml.planning import configuration, shown
from spml.plumbing.errors import UserError

EXAMPLES = 10


def _check_network(architecture: str, weights: Path, channels: int, size: int) -> str:
    """Why a network cannot be trained from these weights on pictures of this size, or nothing."""
    import torch

    from spml.training.models import build_classifier, load_backbone

    try:
        classifier = build_classifier(architecture, num_classes=1, size=size).eval()
        if weights.is_file():  # else a job brings or makes them
            load_backbone(classifier, weights)
    except UserError as error:
        return str(error)
    try:
        with torch.inference_mode():
            classifier(torch.zeros(1, channels, size, size))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        return (
            f"backbone.architecture {architecture!r} cannot take pictures of {channels} x {size} x "
            f"{size}; choose another one or another size ({reason})"
        )
    return ""


def _networks(config: Mapping[str, Any]) -> Iterator[Finding]:
    verdicts: dict[tuple[str, str, int, int], str] = {}
    for dataset in config["select"]["datasets"]:
        definition = config["datasets"][dataset]
        if "backbone" not in definition:  # it comes as features
            continue
        backbone = definition["backbone"]
        network = (
            backbone["architecture"],
            backbone["weights"],
            len(definition["images"]["mean"]),
            (definition.get("source") or definition["compose"])["size"],
        )
        if network not in verdicts:
            architecture, weights, channels, size = network
            verdicts[network] = _check_network(architecture, Path(weights), channels, size)
        if verdicts[network]:
            yield Finding(FAIL, f"training: datasets.{dataset}: {verdicts[network]}")


def _try_loss(loss: Any) -> None:
    """One batch in the first and in the last epoch; raises whatever the loss does."""
    import torch

    # As many examples as the loss is built for, each with an observed positive and a negative.
    observed = torch.zeros(EXAMPLES, loss.num_classes)
    observed[:, 0], observed[:, 1] = 1, -1
    index = torch.arange(EXAMPLES)
    for epoch in (1, loss.total_epochs):
        logits = torch.linspace(-3, 3, observed.numel()).view_as(observed).requires_grad_()
        value = loss(logits, observed, index=index, epoch=epoch)
        (gradient,) = torch.autograd.grad(value, logits)
        if not (value.isfinite() and gradient.isfinite().all()):
            raise UserError(f"is not finite for ordinary logits in epoch {epoch}")


def _losses(config: Mapping[str, Any]) -> Iterator[Finding]:
    from spml import losses

    # Seeds share a loss.
    for run in dict.fromkeys(run._replace(seed=0) for run in shown.reported_runs(config)):
        if configuration.is_given(config, run.method):
            continue
        settings = configuration.run_settings(config, *run)
        try:
            # How many classes and images there are is not known before there are labels.
            loss = losses.build(
                settings["loss"],
                num_classes=1000,
                num_examples=EXAMPLES,
                total_epochs=settings["training"]["epochs"],
                **settings["hyperparameters"],
            )
            _try_loss(loss)
        except Exception as error:
            # What Python says of a slip of the pen makes no sense without its name.
            kind = "" if isinstance(error, UserError | ValueError) else f"{type(error).__name__}: "
            yield Finding(FAIL, f"training: methods.{run.method} on {run.dataset}: {kind}{error}")


def check_training(config: Mapping[str, Any]) -> list[Finding]:
    """Networks of the selected datasets, and losses of the runs that are shown."""
    findings = list(dict.fromkeys([*_networks(config), *_losses(config)]))
    return findings or [Finding(OK, "training: networks and losses work on a batch")]
