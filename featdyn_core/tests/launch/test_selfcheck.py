"""Ways to train are compared, and one that does not agree is reported."""

import pytest

from featdyn_core.launch import selfcheck
from featdyn_core.launch.selfcheck import Way, try_all
from featdyn_core.tests.tiny import tiny_recipe


@pytest.fixture(autouse=True)
def _without_a_compiler(monkeypatch):
    """Compiling takes a minute."""
    monkeypatch.setattr(selfcheck, "ENGINES", ("eager", "graphs"))


def test_ways_on_a_processor():
    single, graphs, half, _ = try_all(tiny_recipe())
    assert [way.engine for way in (single, graphs)] == ["eager", "graphs"]
    assert (single.difference, single.from_cpu) == (0.0, 0.0)
    assert single.seconds > 0
    assert "cpu has no CUDA graphs" in graphs.failure
    assert (half.precision, half.difference) == ("bf16", 0.0)
    assert 1e-5 < half.from_cpu < 0.3  # half precision is another training, and not far from it
    assert (single.rounding, half.rounding) == (0.0, half.from_cpu)


@pytest.mark.parametrize(
    ("difference", "rounding", "agrees"), [(0.15, 0.1, True), (0.25, 0.1, False), (0.02, 0, False)]
)
def test_ways_may_differ_by_what_rounding_makes(difference, rounding, agrees):
    assert Way("cpu", "compiled", "bf16", difference=difference, rounding=rounding).agrees is agrees
