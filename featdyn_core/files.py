"""Files: read within limits, checked by digest, written whole or not at all."""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)

LARGEST_DOCUMENT = 2**26
"""Bytes of a document of a store, at most: ten times the largest that is written here."""

LARGEST_TEXT = 2**28
"""Bytes of what else is read as text, at most: evidence of five thousand rows has half as many."""

LARGEST_BINARY = 2**32
"""Bytes of a file of tensors, arrays or images, at most."""

HALF_WRITTEN = re.compile(r".+\.(?:[0-9]{1,10}|.+\.[0-9a-f]{12})\.tmp", re.DOTALL)
"""Names that ``write_atomically`` gives what it has not finished, and those of earlier versions, by process."""


@contextlib.contextmanager
def open_file(path: str | os.PathLike[str], most: int = LARGEST_BINARY) -> Iterator[io.BufferedReader]:
    """Open a file to be read, or what a link to a file leads to.

    Args:
        path: of the file.
        most: bytes that it may have.

    Yields:
        The file.

    Raises:
        OSError: it is not there, must not be read or is too large; or it is no file: a folder, or a pipe, a socket or
            a device, whose reading may never end.
    """
    # O_NONBLOCK: opening a pipe would wait for somebody who writes into it. To a file it makes no difference.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(os.fstat(descriptor), os.fspath(path), most)
    except OSError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_file(path: str | os.PathLike[str], most: int = LARGEST_BINARY) -> bytes:
    """Return the bytes of a file.

    What cannot be opened is an ``OSError`` (see ``open_file``).

    Raises:
        OSError: there is not enough memory for it.
    """
    with open_file(path, most) as file:
        try:
            return file.read(most)  # no more, though it may grow meanwhile
        except MemoryError:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), os.fspath(path)) from None


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file, with every line end as one character.

    What cannot be opened is an ``OSError`` (see ``open_file``), and what is no text a ``UnicodeDecodeError``.
    """
    return read_file(path, LARGEST_TEXT).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def readable(text: str) -> str:
    """Return a text that every reader takes: bytes of a path that are no text are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match a pattern, in order.

    Those whose names begin with a dot are left out: editors and other machines leave them beside what they are about.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _check(state: os.stat_result, name: str, most: int) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is no file, but a pipe or a device", name)
    if state.st_size > most:
        raise OSError(errno.EFBIG, f"it has {state.st_size:,} bytes, and {most:,} are the most that are read", name)


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file: the checksum that image sets are published with, not a protection."""
    with open_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(content: Any) -> str:
    """Return the hex SHA-256 of what a JSON document says, however it is spaced and its names are ordered.

    A number that is not finite, or a value that JSON does not have, is a ``ValueError`` or ``TypeError``.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def temporary_name(path: Path) -> Path:
    """Return the name of a file beside ``path`` that no other process uses, on this machine or another.

    Process ids would not do: two containers that share a folder number their processes alike.
    """
    return path.with_name(f".{path.name}.{socket.gethostname()[:16]}.{secrets.token_hex(6)}.tmp")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that ``path`` holds either all of ``content``, on the disk, or what it held before.

    A full or unwritable disk is an ``OSError``, and what was written so far is removed.
    """
    temporary = temporary_name(path)  # tempfile's would be closed to other users
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, so that a renaming outlives a power cut; nothing where it cannot be done."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
