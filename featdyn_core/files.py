"""Files: checked by digest, written whole or not at all."""

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file: the checksum that image sets are published with, not a protection."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(content: Any) -> str:
    """Return the hex SHA-256 of what a JSON document says, however it is spaced and its names are ordered.

    A number that is not finite, or a value that JSON does not have, is a ``ValueError`` or ``TypeError``.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that ``path`` holds either all of ``content``, on the disk, or what it held before.

    A full or unwritable disk is an ``OSError``, and what was written so far is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # tempfile's would be closed to other users
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
