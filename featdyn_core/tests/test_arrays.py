"""Arrays of a file come back as they were; a header that promises too much reserves no memory."""

import io
import re
import zipfile

import numpy as np
import pytest

from featdyn_core import arrays as module
from featdyn_core.arrays import UNREADABLE, Archive


def packed(**arrays: np.ndarray) -> io.BytesIO:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer


def hand_made(header: dict, content: bytes = b"1234", **more: bytes) -> io.BytesIO:
    """Return an archive of one array, with further entries as given."""
    buffer, array = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(array, header)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", array.getvalue() + content)
        for name, text in more.items():
            archive.writestr(name, text)
    return buffer


def header(*shape: int, descr: str = "|u1") -> dict:
    return {"descr": descr, "fortran_order": False, "shape": shape}


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.int16).reshape(3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "çé"]),
        np.array(2.5),
        np.zeros((0, 5)),
        np.zeros(3, dtype=[("é", "<f4")]),  # whose name needs the third version of headers
    ],
    ids=["integers", "columns first", "texts", "one number", "none", "named"],
)
def test_arrays_come_back(array):
    found = Archive(packed(a=array, b=np.ones(2)))
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == array.dtype
    assert np.array_equal(found["a"], array)


HOSTILE = {
    "a header of 10^12 elements": (
        lambda: hand_made(header(10**12)),
        "claims 1,000,000,000,000 bytes, but the file has 4",
    ),
    "a header of 10^30 elements": (lambda: hand_made(header(10**15, 10**15)), "claims .* bytes, but the file has 4"),
    "fewer elements": (lambda: hand_made(header(3)), "claims 3 bytes, but the file has 4"),
    "less than none": (lambda: hand_made(header(-4)), "claims -4 bytes, but the file has 4"),
    "pickles": (lambda: packed(a=np.array([{}], object)), "Object arrays cannot be loaded"),
    "no array": (lambda: hand_made(header(4), **{"a.npy": b"text"}), "magic string"),
    "no archive": (lambda: io.BytesIO(b"text"), "not a zip file"),
    "nothing": (io.BytesIO, "not a zip file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_unreadable(make, message):
    with pytest.raises(UNREADABLE, match=message):
        Archive(make())["a"]


def test_more_than_a_file_may_speak_of_is_refused_unread(monkeypatch):
    with pytest.raises(ValueError, match=re.escape("claims 256 bytes; at most 1,000 arrays of 255 bytes are allowed")):
        Archive(packed(a=np.zeros(128, np.uint8)), most=255)
    monkeypatch.setattr(module, "MOST_ARRAYS", 1)
    with pytest.raises(ValueError, match="it claims 2 arrays"):
        Archive(packed(a=np.zeros(1), b=np.zeros(1)))
