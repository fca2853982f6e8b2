"""File operations of a store, one at a time: counted, refused, or cut off as by a kill."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Listener = Callable[[str, Path], None]
"""Called before an operation, with its name and the file; what it raises is what the operation raises."""

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_listeners: list[Listener] = []


def _hook(event: str, arguments: tuple) -> None:
    if _listeners and event in CHANGES:
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if isinstance(arguments[0], str | os.PathLike):
            for listener in _listeners:
                listener(event, Path(arguments[0]))


_installed: list[bool] = []


@contextlib.contextmanager
def listening(root: Path, listener: Listener) -> Iterator[None]:
    """Call ``listener`` before everything that would change a file under ``root``, locks aside."""

    def inside(event: str, path: Path) -> None:
        if path.is_relative_to(root) and "locks" not in path.relative_to(root).parts[:1]:
            listener(event, path)

    if not _installed:
        sys.addaudithook(_hook)  # there is no way to remove one
        _installed.append(True)
    _listeners.append(inside)
    try:
        yield
    finally:
        _listeners.remove(inside)


def refuse(_event: str, path: Path) -> None:
    """Refuse an operation like a file system that is mounted read-only."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def is_alive(process: int) -> bool:
    """Whether a process with this id runs on this machine; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def abandoned(path: Path) -> Path:
    """Make a file whose last write is longer ago than any writer takes."""
    path.touch()
    os.utime(path, (0, 0))
    return path


def settle(folder: Path) -> None:
    """Set a folder's time so far back that no later change can have the same time."""
    os.utime(folder, (0, os.stat(folder).st_mtime - 100))


class KilledError(BaseException):
    """A simulated kill: nothing runs after it, not even cleaning up."""


class Kill:
    """Lets a number of operations pass, and refuses all later ones."""

    def __init__(self, left: int) -> None:
        self.left, self.seen = left, []

    def __call__(self, event: str, path: Path) -> None:
        """Let the operation pass, or raise the kill before it."""
        if not self.left:
            raise KilledError
        self.left -= 1
        self.seen.append((event, path))
