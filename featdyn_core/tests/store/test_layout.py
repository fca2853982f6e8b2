"""Names and places of the store, its sweeping, and the errors of the system."""

import errno
from pathlib import Path

import pytest

from featdyn_core.errors import StoreError
from featdyn_core.store.layout import named_errors


def fail_with(code: int):
    def fail(*_args):
        raise OSError(code, "made up")

    return fail


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "no space left for the store here; free some, and the next run goes on from here"),
        (errno.EDQUOT, "no space left for the store here; free some"),
        (
            errno.EROFS,
            r"the store here cannot be written \(made up\); set FEATDYN_STORE to a folder that can",
        ),
        (errno.EACCES, "the store here cannot be written"),
        (errno.ENOTDIR, "the store here cannot be written"),
    ],
)
def test_errors_of_the_system_name_store_and_mend(code, message):
    with pytest.raises(StoreError, match=message), named_errors(Path("here")):
        fail_with(code)()


def test_errors_of_the_system_name_the_stores_own_folder(tmp_path):
    error = OSError(errno.EIO, "made up", str(tmp_path / "partial" / "key" / "file"))
    with pytest.raises(StoreError, match=r"cannot be written \(made up: partial\)"), named_errors(tmp_path):
        raise error
