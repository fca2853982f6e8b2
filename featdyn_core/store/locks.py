"""One lock for each trajectory: its trainer holds it, and others can test it without holding it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Hold a lock, if it is free.

    If its file cannot be created, that is an ``OSError``.

    Yields:
        Whether the lock was free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # It never waits: a trainer that finds a trajectory taken tries another one.
    lock = filelock.FileLock(path)
    with contextlib.suppress(filelock.Timeout):
        lock.acquire(blocking=False)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock. The test creates no file, needs no write access and delays nobody for long.

    It asks for a shared lock, which is refused only while somebody holds the exclusive one.
    """
    try:
        # O_NONBLOCK: opening a pipe in its place would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # nobody has trained it, or the store cannot be read
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True  # without such locks, the file exists just as long as somebody holds it
    finally:
        os.close(descriptor)
    return False
