"""Things that may lie in a file's place and are not files, and a check that nothing waits for them."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 60
"""Seconds after which something that waits for ever is ended."""


def _socket(path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as found:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            found.bind(f"/proc/self/fd/{here}/{path.name}")  # a path to a socket is short
        finally:
            os.close(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**42)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "sparse file of 4 TB": _sparse,
}
"""Makes each at a path."""


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Fail a test that would wait for ever."""

    def end(*_: object) -> None:
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
