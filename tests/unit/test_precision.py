"""Exact and reduced arithmetic of training, and whether it repeats."""

import numpy as np
import pytest
import torch
from small_runs import make_data, make_trainer
from spml.training.precision import configure


def test_bfloat16_trains_nearly_as_float32_does_and_its_scores_do_not_tie():
    data = make_data()
    exact = make_trainer(data=data, epochs=6).run()
    rough = make_trainer(data=data, epochs=6, precision="bf16").run()
    assert not np.array_equal(rough.val, exact.val)
    assert rough.history[-1]["loss"] == pytest.approx(exact.history[-1]["loss"], rel=0.2)
    assert all(weight.dtype != torch.bfloat16 for weight in rough.weights.values())
    assert len(np.unique(rough.val)) == rough.val.size


@pytest.fixture
def switches():
    """Put torch's switches back."""
    backends = torch.backends
    before = (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, backends.cudnn.benchmark)
    yield backends
    backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, backends.cudnn.benchmark = before
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("precision", "reduced"), [("fp32", False), ("tf32", True), ("bf16", True)]
)
def test_float32_is_exact_unless_asked_otherwise(switches, precision, reduced):
    configure(precision, deterministic=False, device=torch.device("cuda"))
    assert switches.cuda.matmul.allow_tf32 is reduced
    assert switches.cudnn.allow_tf32 is reduced
    assert switches.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_allows_no_other_algorithm(switches):
    configure("fp32", deterministic=True, device=torch.device("cuda"))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not switches.cudnn.benchmark
