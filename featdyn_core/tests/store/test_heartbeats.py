"""Heartbeats: written if possible, read if valid, and never an error."""

import dataclasses
import errno
import json
import math
import os
import time
from pathlib import Path

import pytest

from featdyn_core.files import temporary_name
from featdyn_core.store import heartbeats
from featdyn_core.store.heartbeats import (
    STALE_SECONDS,
    Beat,
    grid_beats,
    read_beats,
    read_grid_beats,
    sweep_progress,
    write_beat,
)
from featdyn_core.store.layout import Layout
from featdyn_core.store.locks import hold
from featdyn_core.tests.store.operations import abandoned


def beat(root, key="k", **changes) -> Beat:
    """Write a heartbeat as a trainer does."""
    said = dataclasses.replace(Beat(key, "tiny", 3, 5, 20, 0.25, 2.0), **changes)
    write_beat(root, said)
    return said


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("time", "now"), ("epoch", "5"), ("epochs", 10**400), ("time", 10**400), ("seed", True), ("host", 1)],
)
def test_heartbeat_of_wrong_types_is_left_out(tmp_path, name, value):
    beat(tmp_path)
    path = Layout(tmp_path).heartbeat("k")
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    assert read_beats(tmp_path) == []


def test_heartbeat_that_is_no_file_is_left_out(tmp_path):
    (tmp_path / "progress").mkdir()
    os.mkfifo(tmp_path / "progress" / "pipe.json")
    os.mkfifo(tmp_path / "progress" / "pipe.grid")
    assert read_beats(tmp_path) == []
    assert read_grid_beats(tmp_path) == {}


def test_first_heartbeat_has_no_loss_and_is_standard_json(tmp_path):
    beat(tmp_path, epoch=0, train_loss=math.nan, seconds_per_epoch=0.0)
    assert b"NaN" not in Layout(tmp_path).heartbeat("k").read_bytes()
    (found,) = read_beats(tmp_path)
    assert str(found) == "training tiny seed 3: begun, 20 epochs"


def test_silent_trainer_with_its_trajectory_is_reported(tmp_path):
    silent = beat(tmp_path, time=time.time() - STALE_SECONDS - 5)
    with hold(Layout(tmp_path).lock("k")):
        assert read_beats(tmp_path) == [silent]
        assert str(silent).startswith(f"waiting for pid {os.getpid()} on {silent.host}, silent for 12")
    assert read_beats(tmp_path) == []


def test_beats_of_a_clock_that_is_ahead_need_a_held_lock(tmp_path):
    """With such a clock, a trainer that died an hour ago seems to have just reported."""
    ahead = beat(tmp_path, time=time.time() + 3600)
    assert read_beats(tmp_path) == []
    with hold(Layout(tmp_path).lock("k")):
        assert read_beats(tmp_path) == [ahead]
        assert str(ahead).startswith("training tiny seed 3")


@pytest.mark.parametrize("harm", ["file in place of the folder", "removed folder", "full disk", "read-only disk"])
def test_progress_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, harm):
    def fail(*_args, **_named):
        raise OSError(errno.ENOSPC if harm == "full disk" else errno.EROFS, "made up")

    monkeypatch.setattr(heartbeats, "GRID_SECONDS", 0.0)
    root = tmp_path / "store"
    if harm == "file in place of the folder":
        root.mkdir()
        (root / "progress").touch()
    elif harm == "full disk":
        monkeypatch.setattr(os, "fsync", fail)
    elif harm == "read-only disk":
        monkeypatch.setattr(Path, "mkdir", fail)
    with grid_beats(root, "forgetting on digits") as say:
        beat(root)
        say(1, 2)
    sweep_progress(root)
    assert harm == "removed folder" or not read_beats(root)
    assert not read_grid_beats(root)


def test_grid_without_a_composite_yet_has_no_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeats, "GRID_SECONDS", 0.0)
    with grid_beats(tmp_path, "forgetting on digits") as say:
        say(0, 2)
        (line,) = read_grid_beats(tmp_path).values()
    assert line == "measuring forgetting on digits: 0/2 composites, 0 composites/s, -"


def test_leftovers_of_killed_writers_only_are_swept(tmp_path):
    folder = tmp_path / "progress"
    folder.mkdir()
    gone = [".k.json.7.tmp", temporary_name(folder / "k.json").name, "forgetting-digits-7.grid"]
    kept = [temporary_name(folder / "k.json").name, "forgetting-digits-8.grid"]
    for name in kept:
        (folder / name).touch()
    for name in (*gone, "k.json", "notes.tmp"):
        abandoned(folder / name)
    kept += ["k.json", "notes.tmp"]
    sweep_progress(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)


def test_line_says_how_far_and_how_long(tmp_path):
    line = "training tiny seed 3: epoch 5/20, loss 0.2500, 0.5 epochs/s, 30 s left"
    assert str(beat(tmp_path)) == line
    assert str(dataclasses.replace(beat(tmp_path), seconds_per_epoch=0.0)).endswith("0.2500, -, 0 s left")


# Composite grids


def test_claim_says_how_far_its_grids_are_and_how_long(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("featdyn_core.store.heartbeats.time.monotonic", lambda: now[0])
    said = []
    with grid_beats(tmp_path, "forgetting on cifar10") as beat:
        for seconds, done in ((1, 2), (6, 12), (7, 14), (20, 40), (25, 5)):  # at 40 the first grid is done
            now[0] = seconds
            beat(done, 40)
            said.append(list(read_grid_beats(tmp_path).values()))
    line = "measuring forgetting on cifar10: {}/40 composites, {} composites/s, {} s left"
    first, last, next_grid = line.format(12, 2, 14), line.format(40, 2, 0), line.format(5, 1, 35)
    assert said == [[], [first], [first], [last], [next_grid]]
    assert read_grid_beats(tmp_path) == {}


def test_a_grid_of_a_clock_that_is_ahead_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeats, "GRID_SECONDS", 0.0)
    with grid_beats(tmp_path, "forgetting on digits") as say:
        say(1, 2)
        assert read_grid_beats(tmp_path)
        (path,) = (tmp_path / "progress").iterdir()
        os.utime(path, (time.time() + 3600,) * 2)
        assert read_grid_beats(tmp_path) == {}


def test_claims_in_memory_make_no_folder(tmp_path):
    with grid_beats(tmp_path / "nowhere", "forgetting on cifar10") as beat:
        beat(1, 2)
    assert not (tmp_path / "nowhere").exists()
