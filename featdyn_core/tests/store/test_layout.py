"""Names and places in the store, removal of leftovers, and errors of the system."""

import errno
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from featdyn_core.errors import StoreError
from featdyn_core.files import temporary_name
from featdyn_core.store.heartbeats import sweep_progress
from featdyn_core.store.layout import Layout, named_errors, sweep, tidy
from featdyn_core.tests.store.operations import abandoned, settle


def fail_with(code: int):
    def fail(*_args):
        raise OSError(code, "made up")

    return fail


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "no space left for the store here; free some, and the next run continues from here"),
        (errno.EDQUOT, "no space left for the store here; free some"),
        (
            errno.EROFS,
            r"the store here cannot be written \(made up\); set FEATDYN_STORE to a folder that can",
        ),
        (errno.EACCES, "the store here cannot be written"),
        (errno.ENOTDIR, "the store here cannot be written"),
    ],
)
def test_errors_of_the_system_name_store_and_mend(code, message):
    with pytest.raises(StoreError, match=message), named_errors(Path("here")):
        fail_with(code)()


def test_errors_of_the_system_name_the_stores_own_folder(tmp_path):
    error = OSError(errno.EIO, "made up", str(tmp_path / "partial" / "key" / "file"))
    with pytest.raises(StoreError, match=r"cannot be written \(made up: partial\)"), named_errors(tmp_path):
        raise error


def test_finished_trajectories_are_folders_by_name_or_manifest(tmp_path):
    for name in (
        "tiny-0-0123456789ab",
        "a-b-12-0123456789ab",
        "renamed",
        "partial",
        "tiny-0-0123456789",
        "x-0-0123456789AB",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "renamed" / "manifest.json").touch()
    (tmp_path / "file-0-0123456789ab").touch()
    assert [path.name for path in Layout(tmp_path).trajectories()] == [
        "a-b-12-0123456789ab",
        "renamed",
        "tiny-0-0123456789ab",
    ]
    assert Layout(tmp_path / "nowhere").trajectories() == []


def test_a_trajectory_of_another_name_is_found_by_its_key(tmp_path):
    layout, key = Layout(tmp_path), "0123456789ab" + "0" * 52
    assert layout.finished("tiny", 3, key) == tmp_path / "tiny-3-0123456789ab"
    (tmp_path / "a-3-0123456789ab").touch()  # no folder
    (tmp_path / "old-3-0123456789ab").mkdir()
    assert layout.finished("tiny", 3, key) == tmp_path / "old-3-0123456789ab"


def test_many_trajectories_are_found_by_one_look_at_the_folder(tmp_path, monkeypatch):
    keys = [f"{number:012x}" + "0" * 52 for number in range(20)]
    for key in keys[:10]:
        (tmp_path / f"old-3-{key[:12]}").mkdir()
    settle(tmp_path)
    looks = Mock(side_effect=os.listdir), Mock(side_effect=os.scandir)
    for name, look in zip(("listdir", "scandir"), looks, strict=True):
        monkeypatch.setattr(os, name, look)
    layout = Layout(tmp_path)
    assert [layout.finished("tiny", 3, key).name.partition("-")[0] for key in keys] == ["old"] * 10 + ["tiny"] * 10
    assert sum(look.call_count for look in looks) == 1


def test_a_trajectory_is_found_by_its_own_name_first(tmp_path):
    """Some file systems do not show that a folder has changed."""
    layout, key = Layout(tmp_path), "0123456789ab" + "0" * 52
    settle(tmp_path)
    before = os.stat(tmp_path)
    layout.finished("tiny", 3, key)
    (tmp_path / "tiny-3-0123456789ab").mkdir()
    (tmp_path / "a-3-0123456789ab").mkdir()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.path.isdir(layout.finished("tiny", 3, key))


def test_what_killed_writers_left_half_written_is_swept(tmp_path):
    gone = [temporary_name(tmp_path / "resume.json").name, ".old.7.tmp", "resume-0001.safetensors.77.tmp"]
    kept = [temporary_name(tmp_path / "resume.json").name, "a.tmp", "b.x.tmp", "resume.json"]
    for name in gone + kept[1:]:
        abandoned(tmp_path / name)
    (tmp_path / kept[0]).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path, every_writer=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept[1:])
    sweep(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["resume.json", "progress/here.grid"])
@pytest.mark.parametrize("ahead", [-2 * 3600, 2 * 3600])
def test_files_are_as_old_as_the_clock_of_their_own_folder_says(tmp_path, monkeypatch, ahead, name):
    """This machine's clock may differ from that of the file server."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + ahead)
    (tmp_path / "progress").mkdir()
    live, left = (tmp_path / name).with_stem("live"), (tmp_path / name).with_stem("left")
    if live.suffix == ".json":
        live, left = map(temporary_name, (live, left))
    live.touch()
    abandoned(left)
    sweep(tmp_path)
    sweep_progress(tmp_path)
    assert live.exists()
    assert not left.exists()
    assert not list(tmp_path.rglob("*clock*"))


def test_a_finished_trajectory_drops_what_only_training_needed(tmp_path):
    needed = ["manifest.json", "epoch-0001.safetensors", "resumed.txt"]
    for name in [
        *needed,
        "resume.json",
        "resume-0002.safetensors",
        "resume-0002.safetensors.77.tmp",
        ".resume.json.7.tmp",
    ]:
        (tmp_path / name).touch()
    tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(needed)


# What would go wrong when a training is over


def test_place_is_prepared_and_nothing_is_left_of_the_trial(tmp_path):
    layout = Layout(tmp_path / "store")
    layout.partial("k").mkdir(parents=True)
    (layout.partial("k") / f".resume.json.{os.getpid()}.tmp").touch()  # whoever asks holds the lock
    abandoned(temporary_name(layout.root / "probe"))
    layout.prepare("k", layout.root / "tiny")
    assert [str(path.relative_to(layout.root)) for path in sorted(layout.root.rglob("*"))] == ["partial", "partial/k"]


@pytest.mark.parametrize("name", ["x" * 5000, "a/b", "nul\0", "taken", "dangling"])
def test_a_missing_place_is_named(tmp_path, name):
    (tmp_path / "taken").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="cannot be made; give its recipe another name"):
        Layout(tmp_path).prepare("k", tmp_path / name)


def test_a_partial_folder_on_another_disk_is_found_in_advance(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as elsewhere:
        if os.stat(elsewhere).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("needs two file systems")
        (tmp_path / "partial").symlink_to(elsewhere)
        message = rf"{tmp_path / 'partial'} is on another file system than the store {tmp_path}.*; put both on one"
        with pytest.raises(StoreError, match=message):
            Layout(tmp_path).prepare("k", tmp_path / "tiny")
        assert [path.name for path in Path(elsewhere).rglob("*")] == ["k"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_store_on_proc_is_found_before_the_training():
    root = Path("/proc/featdyn")
    message = "the store /proc/featdyn cannot be written .*; set FEATDYN_STORE"
    with pytest.raises(StoreError, match=message), named_errors(root):
        Layout(root).prepare("k", root / "tiny")
