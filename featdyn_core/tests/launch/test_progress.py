"""What trainers are doing, read from their heartbeats."""

import dataclasses
import io
import json
import os
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from featdyn_core.launch.progress import (
    STALE_SECONDS,
    Beat,
    Watcher,
    grid_beats,
    grid_progress,
    read_beats,
    read_grid_beats,
)

PATIENCE = 10.0


def beat(root, key="k", **changes) -> Beat:
    """Write a heartbeat as a trainer does, with one field more than is read."""
    content = {
        "recipe": "tiny",
        "seed": 3,
        "epoch": 5,
        "epochs": 20,
        "train_loss": 0.25,
        "seconds_per_epoch": 2.0,
        "time": time.time(),
    } | changes
    folder = root / "progress"
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.json").write_text(json.dumps(content | {"host": "here"}), encoding="utf-8")
    return Beat(key=key, **content)


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


def test_beats_are_read_in_the_order_of_their_keys(tmp_path):
    second, first = beat(tmp_path, "b"), beat(tmp_path, "a", epoch=7)
    assert read_beats(tmp_path) == [first, second]


def test_store_without_trainers_has_no_beats(tmp_path):
    assert read_beats(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_stale_beats_are_left_out(tmp_path):
    beat(tmp_path, "gone", time=time.time() - STALE_SECONDS - 5)
    slow = beat(tmp_path, "slow", time=time.time() - STALE_SECONDS - 5, seconds_per_epoch=100.0)
    assert read_beats(tmp_path) == [slow]


@pytest.mark.parametrize("content", ["", '{"recipe": "ti', "{}", "[]", "3", '{"recipe": 1}'])
def test_what_is_no_heartbeat_is_left_out(tmp_path, content):
    good = beat(tmp_path)
    (tmp_path / "progress" / "a.json").write_text(content, encoding="utf-8")
    assert read_beats(tmp_path) == [good]


def test_heartbeat_of_wrong_types_is_left_out(tmp_path):
    beat(tmp_path, time="now")
    assert read_beats(tmp_path) == []


def test_line_says_how_far_and_how_long(tmp_path):
    line = "training tiny seed 3: epoch 5/20, loss 0.2500, 0.5 epochs/s, 30 s left"
    assert str(beat(tmp_path)) == line
    assert str(dataclasses.replace(beat(tmp_path), seconds_per_epoch=0.0)).endswith("0.2500, -, 0 s left")


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


def test_watcher_stops_at_once(tmp_path):
    lines: list[str] = []
    watcher = Watcher(tmp_path, lines.append, interval=PATIENCE)
    watcher.start()
    beat(tmp_path)
    watcher.stop()
    assert not watcher.is_alive()
    assert not lines


# Composite grids


def test_claim_says_how_far_its_grids_are_and_how_long(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("featdyn_core.launch.progress.time.monotonic", lambda: now[0])
    said = []
    with grid_beats(tmp_path, "forgetting", "cifar10") as beat:
        for seconds, done in ((1, 2), (6, 12), (7, 14), (20, 40), (25, 5)):  # at 40 the first grid is done
            now[0] = seconds
            beat(done, 40)
            said.append(list(read_grid_beats(tmp_path).values()))
    line = "measuring forgetting on cifar10: {}/40 composites of a grid, {} composites/s, {} s left"
    first, last, next_grid = line.format(12, 2, 14), line.format(40, 2, 0), line.format(5, 1, 35)
    assert said == [[], [first], [first], [last], [next_grid]]
    assert read_grid_beats(tmp_path) == {}


def test_claims_in_memory_make_no_folder(tmp_path):
    with grid_beats(tmp_path / "nowhere", "forgetting", "cifar10") as beat:
        beat(1, 2)
    assert not (tmp_path / "nowhere").exists()


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
    """A clock of rich's that the test sets, in seconds."""
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
