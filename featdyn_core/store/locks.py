"""One trainer a trajectory: held by it, and looked at by others without their being taken for one."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Hold a lock, if it is free.

    Where its file cannot be made, that is an ``OSError``.

    Yields:
        Whether it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # It never waits: who finds a trajectory taken goes on to another one.
    lock = filelock.FileLock(path)
    with contextlib.suppress(filelock.Timeout):
        lock.acquire(blocking=False)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock; looking makes no file, needs no right to write, and holds nobody up for long.

    A shared lock is refused where somebody has the exclusive one, and not where others look at the same time.
    """
    try:
        # O_NONBLOCK: opening a pipe that lies in its place would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # nobody ever trained it, or nobody can in a store of which even that is hidden
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True  # a file system without such locks has the file just as long as somebody holds it
    finally:
        os.close(descriptor)
    return False
