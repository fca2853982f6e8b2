"""``featdyn selfcheck`` reports a way to train that differs from plain steps."""

from featdyn_core.cli.main import main
from featdyn_core.launch.selfcheck import Way, lines


def test_a_disagreement_is_reported_and_sets_the_status(monkeypatch, capsys):
    wrong = Way("cpu", "graphs", "fp32", 0.5, 0.3, 0.3)
    found = [Way("cpu", "eager", "fp32", 1.0), wrong, Way("cuda:0", "graphs", "fp32", failure="no driver")]
    assert [way.agrees for way in found] == [True, False, True]
    monkeypatch.setattr("featdyn_core.cli.selfcheck.try_all", lambda _: found)
    assert main(["selfcheck"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[:-1] == lines(found)
    assert printed[1].split() == ["cpu", "eager", "fp32", "1", "1.00x", "equal", "equal"]
    assert printed[2].split() == ["cpu", "graphs", "fp32", "0.5", "2.00x", "3.0e-01", "3.0e-01"]
    assert printed[3].endswith("not tried: no driver")
    assert printed[4] == "graphs on cpu does not agree with eager steps; train with --engine eager there"


def test_selfcheck_refuses_in_one_line(refused):
    assert "unknown recipe 'nothing'" in refused("selfcheck", "--recipe", "nothing")
