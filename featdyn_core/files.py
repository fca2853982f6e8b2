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
"""Largest size of a store's document, in bytes: ten times the largest that featdyn writes."""

LARGEST_TEXT = 2**28
"""Largest size of other text files, in bytes; evidence of five thousand rows has half as many."""

LARGEST_BINARY = 2**32
"""Largest size of a file of tensors, arrays or images, in bytes."""

HALF_WRITTEN = re.compile(r".+\.(?:[0-9]{1,10}|.+\.[0-9a-f]{12})\.tmp", re.DOTALL)
"""Names of unfinished files of ``write_atomically``, and of earlier versions, which used the process id."""


@contextlib.contextmanager
def open_file(path: str | os.PathLike[str], most: int = LARGEST_BINARY) -> Iterator[io.BufferedReader]:
    """Open a file for reading, or the file that a link leads to.

    Args:
        path: path of the file.
        most: largest size of the file, in bytes.

    Yields:
        The file.

    Raises:
        OSError: the file is missing, unreadable or too large; or it is a folder, or a pipe, a socket or a device, and
            reading it may never end.
    """
    # O_NONBLOCK: opening a pipe would wait for a writer. For a file it makes no difference.
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

    A file that cannot be opened is an ``OSError`` (see ``open_file``).

    Raises:
        OSError: there is not enough memory for it.
    """
    with open_file(path, most) as file:
        try:
            return file.read(most)  # no more than this, although the file may grow meanwhile
        except MemoryError:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), os.fspath(path)) from None


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file, with every line end as one character.

    A file that cannot be opened is an ``OSError`` (see ``open_file``). A file that is not text is a
    ``UnicodeDecodeError``.
    """
    return read_file(path, LARGEST_TEXT).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def readable(text: str) -> str:
    """Return text that every reader accepts: bytes of a path that are not text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match a pattern, in order.

    Names that begin with a dot are left out, because editors and other systems leave such files beside the real ones.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _check(state: os.stat_result, name: str, most: int) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is not a file, but a pipe or a device", name)
    if state.st_size > most:
        raise OSError(errno.EFBIG, f"it has {state.st_size:,} bytes; the largest size that is read is {most:,}", name)


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file: the checksum that image sets are published with, not a protection."""
    with open_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(content: Any) -> str:
    """Return the hex SHA-256 of a JSON document's content, which ignores spacing and the order of names.

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
    """Write a file so that ``path`` holds either all of ``content``, on the disk, or its earlier content.

    A full or unwritable disk is an ``OSError``, and the partial file is removed.
    """
    temporary = temporary_name(path)  # a file made by tempfile would be unreadable for other users
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
    """Put a folder's names on the disk, so that a renaming survives a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
