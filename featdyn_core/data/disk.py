"""Errors of the operating system on files of an image set, with the remedy."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from featdyn_core.errors import DataError
from featdyn_core.files import FULL_DISK


def disk_refusal(path: Path, error: OSError) -> str:
    """Return the reason why ``path`` cannot be read or written, and the remedy."""
    mend = "free some space" if error.errno in FULL_DISK else "make it readable and its folder writable"
    return (
        f"cannot read or write {path}: {error.strerror or error}; {mend}, or set FEATDYN_DATA to another "
        "folder, and run again"
    )


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors inside into one that names the remedy.

    Raises:
        DataError: ``path`` cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        raise DataError(disk_refusal(path, error)) from error
