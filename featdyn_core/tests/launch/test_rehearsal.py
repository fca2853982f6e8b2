"""Parts of a rehearsal end at their limits, are saved in a report, and continue in a later call."""

import itertools
import json
import time
from unittest.mock import Mock

import pytest
import torch

from featdyn_core.data.sources import load_dataset
from featdyn_core.errors import StoreError, TrainingError
from featdyn_core.launch import rehearsal
from featdyn_core.launch.processes import OutOfTime, limited
from featdyn_core.launch.rehearsal import DONE, LATE, Part, command, epoch_of_each, go_through, machine, speeds
from featdyn_core.tests.tiny import SUBSET, tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec

CPU = torch.device("cpu")


@pytest.fixture
def report(tmp_path):
    return tmp_path / "rehearsal.json"


@pytest.fixture
def said():
    return []


def forever():
    yield "begun"
    while True:
        time.sleep(0.01)


def failing():
    yield "begun"
    raise TrainingError("no memory\nat all")


def test_what_takes_too_long_is_ended_and_the_next_begins(report, said):
    parts = [Part("long", 0.1, forever), Part("short", 1.0, lambda: ["it is"])]
    assert go_through(parts, 12.0, report, said.append)
    known = json.loads(report.read_text())
    assert (known["long"]["ended"], known["long"]["lines"]) == (LATE, ["begun"])
    assert (known["short"]["ended"], known["short"]["lines"]) == (DONE, ["it is"])
    assert "commit" in known["short"]["environment"]
    assert "  it is" in said


def test_a_later_call_does_what_is_left(report, said):
    done = []

    def part(name, **options):
        return Part(name, 1.0, lambda: done.append(name) or [], **options)

    parts = [part("once"), part("going on", goes_on=True)]
    go_through(parts, 60.0, report, said.append)
    go_through([*parts, part("new")], 60.0, report, said.append)
    assert done == ["once", "going on", "going on", "new"]
    assert "once: done before" in said


def test_what_failed_is_reported_and_tried_again(report, said):
    done = []
    parts = [Part("broken", 1.0, failing), Part("next", 1.0, lambda: done.append("next") or [])]
    assert not go_through(parts, 60.0, report, said.append)
    assert json.loads(report.read_text())["broken"]["ended"] == "failed: no memory"
    assert done == ["next"]
    assert go_through([Part("broken", 1.0, lambda: ["mended"])], 60.0, report, said.append)


def test_without_time_nothing_begins(report, said):
    assert go_through([Part("late", 1.0, forever)], 0.5, report, said.append)
    assert said == ["late: no time is left; call again"]
    assert not report.exists()


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_report_is_refused(report, said, content):
    report.write_text(content)
    with pytest.raises(StoreError, match="is not a report of a rehearsal"):
        go_through([], 1.0, report, said.append)


def test_a_report_that_cannot_be_written_is_reported(tmp_path, said):
    with pytest.raises(StoreError, match="cannot be written"):
        go_through([Part("one", 1.0, list)], 60.0, tmp_path / "none" / "rehearsal.json", said.append)


def test_a_limit_ends_what_is_under_way_and_is_gone_afterwards():
    with pytest.raises(OutOfTime), limited(0.05):
        time.sleep(60)
    with limited(0.05):
        pass
    time.sleep(0.1)


def test_a_command_tells_its_last_line_and_its_status(tmp_path):
    (tmp_path / "speaks.py").write_text("print('one')\nprint('two')")
    assert list(command("speaks", folder=tmp_path)) == ["two"]
    (tmp_path / "fails.py").write_text("raise SystemExit('never')")
    with pytest.raises(rehearsal.FeatdynError, match="fails ended with status 1: never"):
        list(command("fails", folder=tmp_path))
    assert list(command("fails", folder=tmp_path, accepted=(0, 1))) == ["never"]
    (tmp_path / "breaks.py").write_text("raise SystemExit(3)")
    with pytest.raises(rehearsal.FeatdynError, match="breaks ended with status 3: nothing was printed"):
        list(command("breaks", folder=tmp_path, accepted=(0, 1)))


def test_a_command_ends_with_its_time(tmp_path):
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(600)")
    with pytest.raises(OutOfTime), limited(0.5):
        list(command("sleeps", folder=tmp_path))


def test_epochs_are_timed_in_both_precisions(monkeypatch):
    monkeypatch.setattr(rehearsal, "epoch_of_each", lambda *given: 2.0 * given[3])
    single, half = speeds(tiny_recipe(), CPU)
    assert single == "tiny fp32, 1 at once: 2 s an epoch of each"
    assert half.startswith("tiny bf16, 1 at once")


def test_lack_of_memory_ends_one_timing_and_not_the_others(monkeypatch):
    def timed(_recipe, _dataset, precision, count, *_):
        if (precision, count) == ("fp32", 8):
            raise TrainingError("cuda is out of memory")
        return float(count)

    monkeypatch.setattr(rehearsal, "epoch_of_each", timed)
    lines = list(speeds(tiny_recipe(), torch.device("cuda")))
    assert lines[2] == "tiny fp32, 8 at once: cuda is out of memory"
    assert lines[3:] == [f"tiny bf16, {count} at once: {count} s an epoch of each" for count in (1, 4, 8)]


def test_if_nothing_can_be_timed_the_part_fails(monkeypatch):
    monkeypatch.setattr(rehearsal, "epoch_of_each", Mock(side_effect=TrainingError("no memory")))
    lines = speeds(tiny_recipe(), CPU)
    assert [next(lines), next(lines)] == [f"tiny {name}, 1 at once: no memory" for name in ("fp32", "bf16")]
    with pytest.raises(TrainingError, match="no memory"):
        next(lines)


@pytest.mark.parametrize("count", [1, 2])
def test_an_epoch_is_estimated_from_some_steps(monkeypatch, count):
    """The clock advances by a second with each epoch."""
    clock = itertools.count()
    monkeypatch.setattr(rehearsal, "STEPS", 2)
    monkeypatch.setattr(
        rehearsal._Timed, "progress", lambda self, record: self.ended.update({record.epoch: next(clock)})
    )
    dataset = load_dataset("digits", subset=SUBSET)
    assert epoch_of_each(tiny_recipe(), dataset, "fp32", count, CPU) == 2.0


def test_a_training_that_fails_ends_the_timing():
    diverging = tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30))
    with pytest.raises(TrainingError, match="loss is"):
        epoch_of_each(diverging, load_dataset("digits", subset=SUBSET), "fp32", 1, CPU)


def test_the_machine_is_reported():
    told = list(machine())
    assert any(line.startswith("torch ") for line in told)
