"""Means on the scale of ratios."""

import pytest

from featdyn_core.analysis.statistics import geometric_mean
from featdyn_core.errors import MeasurementError


def test_a_ratio_and_its_inverse_cancel():
    assert geometric_mean([4.0, 0.25, 1.0]) == pytest.approx(1)
    assert geometric_mean([3.0]) == pytest.approx(3)


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0]])
def test_only_ratios_above_zero_have_one(values):
    with pytest.raises(MeasurementError, match="numbers above 0"):
        geometric_mean(values)
