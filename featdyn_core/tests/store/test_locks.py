"""Locks: one holder; testing a lock does not count as holding it."""

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from featdyn_core.store.locks import hold, is_held

LOOKS = 5000


def test_lock_has_one_holder(tmp_path):
    path = tmp_path / "locks" / "k.lock"
    with hold(path) as first, hold(path) as second:
        assert (first, second) == (True, False)
        assert is_held(path)
    assert not is_held(path)
    with hold(path) as again:
        assert again


def test_looking_makes_no_file(tmp_path):
    assert not is_held(tmp_path / "locks" / "k.lock")
    assert not list(tmp_path.iterdir())


def test_lookers_do_not_take_each_other_for_a_trainer(tmp_path):
    path = tmp_path / "k.lock"
    with hold(path):
        pass
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: is_held(path), range(LOOKS))) == 0
        with hold(path):
            assert sum(pool.map(lambda _: is_held(path), range(LOOKS))) == LOOKS


def test_a_file_system_without_locks_has_the_file_while_held(tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", fail)
    (tmp_path / "k.lock").touch()
    assert is_held(tmp_path / "k.lock")


def test_lock_that_cannot_be_made_is_the_systems_error(tmp_path):
    (tmp_path / "locks").touch()
    with pytest.raises(OSError, match="exists"), hold(tmp_path / "locks" / "k.lock"):
        pass
