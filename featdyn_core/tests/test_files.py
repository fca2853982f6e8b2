"""Digests and atomic writing."""

import errno
import os
import stat
from pathlib import Path

import pytest

from featdyn_core.files import (
    HALF_WRITTEN,
    LARGEST_DOCUMENT,
    md5_of,
    open_file,
    read_file,
    read_text,
    sha256_of,
    temporary_name,
    write_atomically,
)
from featdyn_core.tests.special import SPECIAL, without_waiting


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("read", [read_file, read_text, md5_of, sha256_of])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, make, read):
    make(tmp_path / "special")
    with without_waiting(), pytest.raises(OSError, match=r"special") as caught:
        read(tmp_path / "special")
    assert caught.value.strerror, "what error messages show"


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 4) == b"1234"
    with pytest.raises(OSError, match="it has 4 bytes; the largest size that is read is 3"):
        read_file(tmp_path / "file", 3)


def test_a_file_that_grows_while_it_is_read_ends(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    with open_file(tmp_path / "file", 4) as file, (tmp_path / "file").open("ab") as other:
        assert other.write(b"56") == 2
        assert file.read(4) == b"1234"


def test_text_has_one_kind_of_line_end(tmp_path):
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "file", "utf-8-sig") == "a\nb\nc\n"


def test_text_may_be_longer_than_a_document_of_a_store(tmp_path):
    """Evidence of thousands of rows is that long, and must be readable."""
    with (tmp_path / "evidence.json").open("wb") as file:
        file.truncate(LARGEST_DOCUMENT + 1)
    assert len(read_text(tmp_path / "evidence.json")) == LARGEST_DOCUMENT + 1


def test_writers_with_one_process_id_do_not_share_a_name(tmp_path, monkeypatch):
    """Two containers may use the same process ids."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    names = {temporary_name(tmp_path / "file") for _ in range(100)}
    assert len(names) == 100
    assert all(HALF_WRITTEN.fullmatch(path.name) for path in names)
    assert not any(map(HALF_WRITTEN.fullmatch, ["file", "a.tmp", "b.x.tmp", ".file.host.tmp"]))


def test_checksums_are_the_standard_ones(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # test vectors of RFC 1321 and FIPS 180-4
    assert md5_of(tmp_path / "abc") == "900150983cd24fb0d6963f7d28e17f72"
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_written_file_replaces_the_old_and_others_can_read_it(tmp_path):
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


def test_file_and_the_name_that_it_gets_are_put_on_the_disk(monkeypatch, tmp_path):
    synced = []
    original = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor)), original(descriptor)))
    write_atomically(tmp_path / "file", b"new")
    assert [stat.S_ISDIR(state.st_mode) for state in synced] == [False, True]
    assert synced[1].st_ino == tmp_path.stat().st_ino


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_leaves_no_other(monkeypatch, tmp_path, step):
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left on device"):
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
