"""How full batches of training pass through the network: as it is, compiled, or as a CUDA graph.

All else (the last batch of an epoch, frozen backbones, evaluation) passes through it as it is, so
that scores of the same weights do not depend on how they were trained.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from spml.plumbing.errors import UserError

Forward = Callable[[torch.Tensor], torch.Tensor]
COMPILERS = (os.environ.get("CC", "gcc"), os.environ.get("CXX", "g++"), "clang")


def compiled(classifier: nn.Module, *, cuda_graphs: bool = False) -> Forward:
    """``classifier`` as torch's compiler makes it, at the first batch, for batches of that shape.

    cuda_graphs: on a GPU, let the compiler put what it makes into CUDA graphs.
    """
    if not any(map(shutil.which, COMPILERS)):
        raise UserError(
            "training.compile needs a C compiler, and there is none (gcc, clang or what CC and CXX "
            "name); install one, or leave compile out"
        )
    mode = "reduce-overhead" if cuda_graphs else "default"
    forward: Forward = torch.compile(classifier, dynamic=False, mode=mode)
    return forward


class _Copy(nn.Module):
    """The same network under another name: what is captured replaces the ``forward`` of this."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(inputs)
        return logits


def captured(
    classifier: nn.Module,
    sample: torch.Tensor,
    precision: AbstractContextManager[Any],
    make_graph: Callable[..., Any] = torch.cuda.make_graphed_callables,
) -> Forward:
    """``classifier`` in training mode on batches like ``sample``, as two CUDA graphs.

    One is of the forward pass, one of the backward pass: the host launches each at once, where it
    would else launch its kernels one by one, which for a small batch may take longer than they run.
    The kernels are the same. Neither the weights nor the statistics of the classifier nor the
    random states are other than before.

    Nothing else may use the GPU meanwhile. precision: the context of the forward pass; an autocast
    must not cache, since a graph would keep the weights of the first step.
    """
    classifier.train()
    before = {name: buffer.clone() for name, buffer in classifier.named_buffers()}
    on_gpu = sample.device.type == "cuda"
    with torch.random.fork_rng(devices=[sample.device] if on_gpu else []), precision:
        forward: Forward = make_graph(_Copy(classifier), (sample,))
    # Capturing runs the network a few times, which moves the statistics of batch normalisation.
    for name, buffer in classifier.named_buffers():
        buffer.copy_(before[name])
    return forward
