"""Where image sets lie on the disk, and how files there are checked and written."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from featdyn_core.errors import DataError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of image sets: ``root``, ``FEATDYN_DATA``, or ``featdyn/data`` in the user's cache.

    The user's cache is ``XDG_CACHE_HOME`` where that is an absolute path, as its specification asks, else
    ``~/.cache``.
    """
    if root is None:
        root = os.environ.get("FEATDYN_DATA")
    if root:
        return Path(root).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "featdyn" / "data"


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file: the checksum that image sets are published with, not a protection."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that ``path`` holds either all of ``content`` or what it held before.

    Raises:
        DataError: a full or unwritable disk; what was written so far is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # tempfile's would be closed to other users
    try:
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
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> DataError:
    """Return the error that says why the disk refused to read or write ``path``, and the mend."""
    mend = "free some space" if error.errno in FULL_DISK else "make it readable and its folder writable"
    return DataError(
        f"cannot read or write {path}: {error.strerror or error}; {mend}, or set FEATDYN_DATA to another "
        "folder, and run again"
    )
