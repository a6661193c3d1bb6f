"""A large grid is planned in the memory of a laptop; how fast, tests/benchmarks/planning.py tells."""

import pytest
from benchmarks.planning import plan

pytestmark = pytest.mark.xdist_group("workflow")


def test_five_thousand_trainings_are_planned_in_four_gigabytes(pristine):
    result = plan(pristine.path)
    assert result.trainings > 5000
    assert result.megabytes < 4096
