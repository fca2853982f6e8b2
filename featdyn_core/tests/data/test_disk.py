"""Errors of the disk, which say what to do."""

import errno
import os
from pathlib import Path

import pytest

from featdyn_core.data.disk import disk_errors, disk_refusal
from featdyn_core.errors import DataError
from featdyn_core.files import write_atomically


def test_full_disk_names_the_file_and_the_mend():
    path = Path("/data/file")
    message = f"{path}: No space left on device; free some space, or set FEATDYN_DATA"
    with pytest.raises(DataError, match=message), disk_errors(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_missing_folder_is_an_error_of_the_disk(tmp_path):
    path = tmp_path / "none" / "file"
    with pytest.raises(DataError, match="No such file or directory"), disk_errors(path):
        write_atomically(path, b"new")


def test_refused_file_names_its_mend():
    error = OSError(errno.EACCES, "Permission denied")
    assert "make it readable and its folder writable" in disk_refusal(Path("/data"), error)
