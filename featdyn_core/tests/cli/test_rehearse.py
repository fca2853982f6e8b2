"""A rehearsal does all its parts, and a second call continues."""

import json

import pytest

from featdyn_core.cli import rehearse as module


@pytest.fixture
def called(monkeypatch) -> list[tuple[str, ...]]:
    """Return the commands that would run in slow processes of their own."""
    found = []
    monkeypatch.setattr(module, "command", lambda *words, folder: found.append((*words, str(folder))) or ["1 passed"])
    return found


def test_a_toy_project_is_rehearsed_in_two_calls(run, project, called, monkeypatch):
    monkeypatch.setattr(module, "speeds", lambda recipe, device, *_: [f"{recipe.name} on {device}"])
    monkeypatch.setattr(module, "agreement", lambda recipe: [recipe.name])
    arguments = ("rehearse", "--recipe", "toy", "--tier", "fast", "--jobs", "1", "--minutes", "5")
    monkeypatch.setattr(module, "SAMPLE", "toy")
    status, lines = run(*arguments)
    assert status == 0, lines
    report = json.loads((project / "rehearsal.json").read_text())
    assert [entry["ended"] for entry in report.values()] == ["done"] * 7
    assert report["seconds of an epoch"]["lines"] == ["toy on cpu"]
    assert report["trainings"]["lines"] == ["0 done, 0 running, 3 left", "3 done, 0 running, 0 left"]
    assert report["records"]["lines"] == ["9 records: 0 here, 9 to be measured", "0 are missing"]
    tests, evidence = called
    assert tests[:4] == ("pytest", "-q", "-m", "gpu")
    assert evidence[:5] == ("pytest", "-q", "-m", "fast", "--no-train")
    assert str(project / "store") in evidence
    assert "machine: done before" in run(*arguments)[1]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_a_rehearsal_needs_time(refused, minutes):
    assert f"--minutes {minutes}: expected a number above 0" in refused("rehearse", "--minutes", minutes)
