"""Exact and reduced arithmetic of training, and whether it repeats."""

import os
import re
import subprocess
import sys

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


COMPUTE = """
import torch
from spml.training.precision import configure

configure("fp32", deterministic=False, device=torch.device("cpu"))
torch.nn.functional.conv2d(torch.ones(4, 16, 32, 32), torch.ones(16, 16, 3, 3))
torch.ones(8, 64) @ torch.ones(64, 8)
print(torch.backends.cpu.get_cpu_capability())
"""


@pytest.mark.skipif(not torch.cpu._is_avx2_supported(), reason="needs a processor with AVX2")
@pytest.mark.parametrize(
    ("said", "aten", "onednn", "mkl"),
    [
        ({}, "AVX2", "AVX2", "AVX2"),
        ({"ATEN_CPU_CAPABILITY": "default"}, "DEFAULT", "AVX2", "AVX2"),
        ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, "AVX2", "SSE4.1", "AVX2"),
        ({"MKL_CBWR": "COMPATIBLE"}, "AVX2", "AVX2", "COMPATIBLE"),
    ],
)
def test_processor_computes_with_instructions_that_others_have(said, aten, onednn, mkl):
    """Unless the environment says otherwise; each library tells what it has taken."""
    names = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", COMPUTE],
        env={**environment, "ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1", **said},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == aten
    assert re.findall(r",info,cpu,isa:(.*)", done.stdout) == [f"Intel {onednn}"]
    [taken] = re.findall(r"SGEMM.* CNR:(\S+)", done.stdout)
    # On processors that are not Intel's it can be told COMPATIBLE, or nothing.
    assert taken == mkl or (taken, mkl) == ("AUTO", "AVX2")
