"""The first phase of LinearInit: the head alone, on cached features.

Cole et al. (CVPR 2021) train a linear classifier on the features of the untrained backbone for 25
epochs, without augmentation, keep the one with the best validation mAP, and start fine-tuning from
it. What the loss has learnt about the training labels by then (ROLE's estimator) is kept as well.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from spml.losses import Loss
from spml.metrics import mean_average_precision
from spml.optimizers import adam
from spml.randomness import LINEAR_INIT_ORDER, generator


@dataclass(frozen=True)
class HeadFit:
    """The selected epoch of the head, counted from 1, and its validation mAP in percent."""

    selected_epoch: int
    val_map: float


def fit_head(
    head: nn.Module,
    loss: Loss,
    features: np.ndarray,
    *,
    train_rows: np.ndarray,
    val_rows: np.ndarray,
    truth: np.ndarray,
    observed: np.ndarray,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
) -> HeadFit:
    """Train ``head`` with Adam; leave it and ``loss`` in the state of the best epoch.

    features: (N, F) float32 over the official training split; truth (N, C) bool and observed (N, C)
    int8 likewise. The loss says how many epochs there are. One learning rate for all.
    """
    head.to(device)
    loss.to(device)
    inputs = torch.from_numpy(features[train_rows]).to(device)
    val_inputs = torch.from_numpy(features[val_rows]).to(device)
    labels = torch.from_numpy(observed[train_rows]).to(device)
    groups = [{"params": list(head.parameters()), "lr": learning_rate}]
    optimizer = adam([*groups, *loss.parameter_groups(learning_rate)])
    best = HeadFit(selected_epoch=0, val_map=-1.0)
    states = (head.state_dict(), loss.state_dict())

    for epoch in range(1, loss.total_epochs + 1):
        order = torch.randperm(len(inputs), generator=generator(seed, epoch, LINEAR_INIT_ORDER))
        for index in order.to(device).split(batch_size):
            value = loss(head(inputs[index]), labels[index], index=index, epoch=epoch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
        with torch.no_grad():
            loss.after_epoch(epoch, lambda: [(head(inputs), torch.arange(len(inputs)).to(device))])
            scores = torch.sigmoid(head(val_inputs)).cpu().numpy()
        val_map = mean_average_precision(scores, truth[val_rows])
        if val_map > best.val_map:
            best = HeadFit(selected_epoch=epoch, val_map=val_map)
            states = (copy.deepcopy(head.state_dict()), copy.deepcopy(loss.state_dict()))

    head.load_state_dict(states[0])
    loss.load_state_dict(states[1])
    return best
