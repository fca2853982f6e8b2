"""Ways to train are compared, and one that does not agree is told."""

import pytest

from featdyn_core.cli.main import main
from featdyn_core.launch import selfcheck
from featdyn_core.launch.selfcheck import Way, lines, try_all
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


def test_one_that_does_not_agree_is_told_and_is_the_exit_status(monkeypatch, capsys):
    wrong = Way("cpu", "graphs", "fp32", 0.5, 0.3, 0.3)
    found = [Way("cpu", "eager", "fp32", 1.0), wrong, Way("cuda:0", "graphs", "fp32", failure="no driver")]
    assert [way.agrees for way in found] == [True, False, True]
    monkeypatch.setattr("featdyn_core.cli.upkeep.try_all", lambda _: found)
    assert main(["selfcheck"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[:-1] == lines(found)
    assert printed[1].split() == ["cpu", "eager", "fp32", "1", "1.00x", "equal", "equal"]
    assert printed[2].split() == ["cpu", "graphs", "fp32", "0.5", "2.00x", "3.0e-01", "3.0e-01"]
    assert printed[3].endswith("not tried: no driver")
    assert printed[4] == "graphs on cpu does not agree with eager steps: train with --engine eager there"
