"""Work spread over processes: each piece is told of, whatever became of it."""

import os

import pytest

from featdyn_core.errors import FeatdynError, MeasurementError, RecipeError, TrainingError
from featdyn_core.launch import processes
from featdyn_core.launch.processes import Pace, chosen_jobs, cores, spread


def squared(number: int) -> int:
    """Square a number that is not negative."""
    if number < 0:
        raise MeasurementError(f"{number} is negative")
    return number**2


def die(number: int) -> int:
    """End the process without a word."""
    os._exit(number)


def outcomes(found):
    """Return pieces and outcomes, errors as their text, in the order of the pieces."""
    return sorted((piece, str(outcome)) for piece, outcome in found)


def test_with_one_job_all_is_done_here():
    seen = []
    assert list(spread(seen.append, [1, 2], jobs=1)) == [(1, None), (2, None)]
    assert seen == [1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_fails_is_told_and_the_others_go_on(jobs):
    assert outcomes(spread(squared, [3, -1, 2], jobs=jobs)) == [(-1, "-1 is negative"), (2, "4"), (3, "9")]


def test_a_process_that_dies_is_an_error_of_its_pieces():
    found = dict(spread(die, [3, 4], jobs=2))
    assert set(found) == {3, 4}
    for outcome in found.values():
        assert isinstance(outcome, TrainingError)
        assert "a process died at work" in str(outcome)


def test_what_is_no_error_of_ours_is_raised():
    with pytest.raises(TypeError):
        list(spread(squared, ["x"], jobs=1))
    assert not issubclass(TypeError, FeatdynError)


def test_jobs_are_those_asked_for_but_no_more_than_pieces():
    assert chosen_jobs(None, 4, 10) == 4
    assert chosen_jobs(2, 4, 10) == 2
    assert chosen_jobs(8, 4, 3) == 3
    assert chosen_jobs(8, 4, 0) == 1
    for asked in (0, -1):
        with pytest.raises(RecipeError, match=f"--jobs {asked}: expected a number from 1 on"):
            chosen_jobs(asked, 4, 10)


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_pace_says_how_far_work_is_and_how_long_it_will_take(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(processes.time, "monotonic", lambda: now[0])
    pace = Pace(3)
    now[0] += 10
    assert pace.step() == "1/3, 10 s passed, about 20 s left"
    now[0] += 20
    assert pace.step() == "2/3, 30 s passed, about 15 s left"
    now[0] += 3
    assert pace.step() == "3/3, 33 s passed, about 0 s left"
