"""A rehearsal does all its parts, and a second call continues."""

import json

import pytest

from featdyn_core.cli import rehearse as module
from featdyn_core.errors import FeatdynError
from featdyn_core.launch.processes import OutOfTime
from featdyn_core.store.supply import Store

ARGUMENTS = ("rehearse", "--recipe", "toy", "--tier", "fast", "--jobs", "1", "--minutes", "5")


@pytest.fixture
def called(monkeypatch) -> list[tuple[str, ...]]:
    """Return the commands that would run in slow processes of their own; other slow parts are left out."""
    found = []

    def command(*words, folder, accepted=(0,)):
        found.append((*words, str(folder), accepted))
        return ["1 passed"]

    monkeypatch.setattr(module, "command", command)
    monkeypatch.setattr(module, "speeds", lambda recipe, device, *_: [f"{recipe.name} on {device}"])
    monkeypatch.setattr(module, "agreement", lambda recipe: [recipe.name])
    monkeypatch.setattr(module, "SAMPLE", "toy")
    return found


def test_a_toy_project_is_rehearsed_in_two_calls(run, project, called):
    status, lines = run(*ARGUMENTS)
    assert status == 0, lines
    report = json.loads((project / "rehearsal.json").read_text())
    assert [entry["ended"] for entry in report.values()] == ["done"] * 7
    assert report["seconds of an epoch"]["lines"] == ["toy on cpu"]
    assert report["trainings"]["lines"] == ["0 done, 0 running, 3 left", "3 done, 0 running, 0 left"]
    first, *measured, last = report["records"]["lines"]
    assert (first, last) == ("9 records: 0 here, 9 to be measured", "0 are missing")
    assert {line.split(" of ")[0] for line in measured} == {"column", "stranger"}
    tests, evidence = called
    assert tests[:4] == ("pytest", "-q", "-m", "gpu")
    assert evidence[:5] == ("pytest", "-q", "-m", "fast", "--no-train")
    assert (tests[-1], evidence[-1]) == ((0,), (0, 1)), "a refuted claim is no failure of the part"
    assert str(project / "store") in evidence
    assert "machine: done before" in run(*ARGUMENTS)[1]


def rehearse_only(monkeypatch, name):
    parts = module.parts
    monkeypatch.setattr(module, "parts", lambda options: [part for part in parts(options) if part.name == name])


@pytest.mark.usefixtures("called")
def test_a_broken_run_of_the_claims_is_a_failure(run, monkeypatch):
    def broken(*_, **__):
        raise FeatdynError("pytest ended with status 4: no such option")

    monkeypatch.setattr(module, "command", broken)
    rehearse_only(monkeypatch, "evidence")
    status, lines = run(*ARGUMENTS)
    assert status == 1
    assert lines[-1].startswith("evidence: failed: pytest ended with status 4: no such option, ")


@pytest.mark.usefixtures("called")
def test_records_are_told_one_by_one_until_time_is_up(run, project, monkeypatch):
    def measured(*_):
        yield "2 records: 0 here, 2 to be measured"
        yield "churn of toy seed 0: it has no checkpoint"
        raise OutOfTime

    monkeypatch.setattr(module, "measure_missing", measured)
    rehearse_only(monkeypatch, "records")
    assert run(*ARGUMENTS)[0] == 0
    part = json.loads((project / "rehearsal.json").read_text())["records"]
    assert part["ended"] == "out of time"
    assert part["lines"] == ["2 records: 0 here, 2 to be measured", "churn of toy seed 0: it has no checkpoint"]


@pytest.mark.usefixtures("called", "two_arms")
def test_all_seeds_of_the_plain_recipe_are_trained_first(run, monkeypatch):
    trained = []
    monkeypatch.setattr(Store, "get_many", lambda _, wanted: trained.extend(map(str, wanted)))
    rehearse_only(monkeypatch, "trainings")
    assert run(*ARGUMENTS)[0] == 0
    assert trained == [f"{name} seed {seed}" for name in ("toy", "toy-reduced") for seed in range(3)]


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_a_rehearsal_needs_time(refused, minutes):
    assert f"--minutes {minutes}: expected a number above 0" in refused("rehearse", "--minutes", minutes)
