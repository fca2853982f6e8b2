"""Progress of trainers and grids, for a user who waits."""

import dataclasses
import io
import os
import re
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from featdyn_core.launch.progress import Watcher, grid_progress
from featdyn_core.store.heartbeats import STALE_SECONDS, Beat, write_beat
from featdyn_core.store.layout import Layout
from featdyn_core.store.locks import hold

PATIENCE = 10.0


def beat(root, key="k", **changes) -> Beat:
    """Write a heartbeat as a trainer does."""
    said = dataclasses.replace(Beat(key, "tiny", 3, 5, 20, 0.25, 2.0), **changes)
    write_beat(root, said)
    return said


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


@pytest.fixture
def watched(tmp_path):
    lines: list[str] = []
    watcher = Watcher(tmp_path, lines.append, interval=0.01)
    watcher.start()
    yield lines
    watcher.stop()


def test_watcher_writes_one_line_for_each_step(tmp_path, watched):
    first = beat(tmp_path)
    wait_until(lambda: watched)
    time.sleep(0.05)
    assert watched == [str(first)]
    second = beat(tmp_path, epoch=6)
    wait_until(lambda: len(watched) > 1)
    assert watched == [str(first), str(second)]


def test_watcher_says_nothing_of_what_it_is_to_skip(tmp_path):
    lines: list[str] = []
    watcher = Watcher(tmp_path, lines.append, interval=0.01, skip={"mine": 1})
    beat(tmp_path, "mine")
    other = beat(tmp_path, "other")
    watcher.start()
    wait_until(lambda: lines)
    watcher.stop()
    assert lines == [str(other)]


def test_watcher_says_for_whom_one_waits(tmp_path, watched):
    """A trainer that was stopped still holds its trajectory."""
    with hold(Layout(tmp_path).lock("k")):
        beat(tmp_path, time=time.time() - STALE_SECONDS - 10, process=77, host="there")
        wait_until(lambda: watched)
        time.sleep(0.05)
        (line,) = watched
    assert re.fullmatch(r"waiting for pid 77 on there, silent for 13\d s: tiny seed 3, epoch 5/20", line)


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_watcher_outlives_its_reader(tmp_path, error):
    lines: list[str] = []

    def write(line: str) -> None:
        lines.append(line)
        raise error

    watcher = Watcher(tmp_path, write, interval=0.01)
    watcher.start()
    beat(tmp_path)
    wait_until(lambda: lines)
    beat(tmp_path, epoch=6)
    wait_until(lambda: len(lines) > 1)
    watcher.stop()


def test_watcher_stops_at_once(tmp_path):
    lines: list[str] = []
    watcher = Watcher(tmp_path, lines.append, interval=PATIENCE)
    watcher.start()
    beat(tmp_path)
    watcher.stop()
    assert not watcher.is_alive()
    assert not lines


def test_watcher_writes_what_claims_say(tmp_path, watched):
    folder = tmp_path / "progress"
    folder.mkdir()
    (folder / "a.grid").write_text("measuring a")
    wait_until(lambda: watched)
    time.sleep(0.05)
    (folder / "gone.grid").write_text("measuring gone")
    os.utime(folder / "gone.grid", (0, 0))
    (folder / "a.grid").write_text("measuring on")
    wait_until(lambda: len(watched) > 1)
    assert watched == ["measuring a", "measuring on"]


@pytest.fixture
def clock(monkeypatch):
    """A clock for rich that the test sets, in seconds."""
    now = [0.0]
    original = Progress.__init__

    def at(self, *columns, **options):
        original(self, *columns, get_time=lambda: now[0], **options)

    monkeypatch.setattr(Progress, "__init__", at)
    return now


def test_grid_progress_shows_composites_rate_and_time_left(clock):
    console = Console(file=io.StringIO(), width=120)
    with grid_progress("memory", console) as report:
        report(10, 100)
        clock[0] = 100.0
        report(60, 100)
    line = console.file.getvalue()
    assert "memory" in line
    assert "60/100" in line
    assert "0.5 composites/s" in line
    assert "0:01:20" in line


def test_grid_progress_knows_no_rate_at_first():
    console = Console(file=io.StringIO(), width=120)
    with grid_progress("memory", console):
        pass
    assert "- composites/s" in console.file.getvalue()


def test_a_title_is_printed_as_it_is():
    console = Console(file=io.StringIO(), width=200)
    with grid_progress("memory [/b] :smile:", console) as report:
        report(1, 2)
    assert "memory [/b] :smile:" in console.file.getvalue()
