"""The folder of image sets, and atomic writing."""

import errno
import os
from pathlib import Path

import pytest

from featdyn_core.data.files import data_root, disk_error, md5_of, sha256_of, write_atomically
from featdyn_core.errors import DataError


def test_root_is_the_argument_then_the_environment_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("FEATDYN_DATA", "~/sets")
    assert data_root(tmp_path / "mine") == tmp_path / "mine"
    assert data_root() == tmp_path / "sets"
    monkeypatch.setenv("FEATDYN_DATA", "")
    assert data_root() == tmp_path / "xdg" / "featdyn" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_root() == tmp_path / ".cache" / "featdyn" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == tmp_path / ".cache" / "featdyn" / "data"


def test_checksums_are_the_standard_ones(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # test vectors of RFC 1321 and FIPS 180-4
    assert md5_of(tmp_path / "abc") == "900150983cd24fb0d6963f7d28e17f72"
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_written_file_replaces_the_old_one_and_can_be_read_by_others(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = os.umask(0o022)
    try:
        write_atomically(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_leaves_no_other(monkeypatch, tmp_path, step):
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(DataError, match=f"{path}: No space left on device; free some space, or set FEATDYN_DATA"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_writing_leaves_no_file(monkeypatch, tmp_path):
    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_an_error_of_the_disk(tmp_path):
    with pytest.raises(DataError, match="No such file or directory"):
        write_atomically(tmp_path / "none" / "file", b"new")


def test_refused_file_names_its_mend():
    error = OSError(errno.EACCES, "Permission denied")
    assert "make it readable and its folder writable" in str(disk_error(Path("/data"), error))
