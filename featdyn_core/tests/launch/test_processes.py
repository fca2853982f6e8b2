"""Work spread over processes: every piece has an outcome, even if it fails."""

import contextlib
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from featdyn_core.errors import FeatdynError, MeasurementError, RecipeError, TrainingError
from featdyn_core.launch import processes
from featdyn_core.launch.processes import Pace, Terminated, chosen_jobs, cores, spread, terminable
from featdyn_core.tests.store.operations import is_alive
from featdyn_core.tests.store.watched import PATIENCE, wait_until


def squared(number: int) -> int:
    """Square a number that is not negative."""
    if number < 0:
        raise MeasurementError(f"{number} is negative")
    return number**2


def die(number: int) -> int:
    """End the process without a message."""
    os._exit(number)


def outcomes(found):
    """Return pieces and outcomes, errors as their text, in the order of the pieces."""
    return sorted((piece, str(outcome)) for piece, outcome in found)


def test_with_one_job_all_is_done_here():
    seen = []
    assert list(spread(seen.append, [1, 2], jobs=1)) == [(1, None), (2, None)]
    assert seen == [1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_fails_is_reported_and_the_others_go_on(jobs):
    assert outcomes(spread(squared, [3, -1, 2], jobs=jobs)) == [(-1, "-1 is negative"), (2, "4"), (3, "9")]


def test_a_process_that_dies_is_an_error_of_its_pieces():
    found = dict(spread(die, [3, 4], jobs=2))
    assert set(found) == {3, 4}
    for piece, outcome in found.items():
        assert isinstance(outcome, TrainingError), f"piece {piece}"
        assert "a process died" in str(outcome), f"piece {piece}"


PROGRAM = """
import os, sys
from pathlib import Path
from featdyn_core.launch.processes import spread, terminable
from featdyn_core.tests.launch.test_processes import stay

if __name__ == "__main__":
    with terminable():
        list(spread(stay, [Path(sys.argv[1]) / name for name in ("a", "b", "c", "d")], jobs=2))
"""


def stay(path: Path) -> None:
    """Report the process id, and keep running."""
    path.write_text(str(os.getpid()))
    time.sleep(PATIENCE)


def test_sigterm_ends_the_workers_and_nothing_is_begun(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "at work").mkdir()
    command = [sys.executable, tmp_path / "program.py", tmp_path / "at work"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: sum(bool(path.read_text()) for path in (tmp_path / "at work").iterdir()) == 2)
            process.terminate()
            told = process.communicate(timeout=PATIENCE)[1]
        finally:
            process.kill()
    assert told.splitlines()[-1] == "featdyn_core.launch.processes.Terminated"
    workers = [int(path.read_text()) for path in (tmp_path / "at work").iterdir()]
    assert len(workers) == 2
    assert not [worker for worker in workers if is_alive(worker)]


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "at work").mkdir()
    command = [sys.executable, tmp_path / "program.py", tmp_path / "at work"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: sum(bool(path.read_text()) for path in (tmp_path / "at work").iterdir()) == 2)
        process.kill()
    workers = [int(path.read_text()) for path in (tmp_path / "at work").iterdir()]
    wait_until(lambda: not any(map(is_alive, workers)))


def test_where_no_process_can_be_begun_all_is_done_here(monkeypatch):
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/dev/shm")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", read_only)
    assert dict(spread(squared, [1, 2], jobs=2)) == {1: 1, 2: 4}


def test_a_reader_that_fails_ends_the_workers():
    before = multiprocessing.active_children()
    with contextlib.closing(spread(squared, [1, 2, 3], jobs=2)) as found:
        next(found)
    assert multiprocessing.active_children() == before


def test_sigterm_is_an_interruption_while_it_is_asked_for():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_beside_the_main_thread_signals_stay_as_they_are():
    found = []

    def look() -> None:
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


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
