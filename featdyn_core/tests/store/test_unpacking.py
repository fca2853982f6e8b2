"""Arrays of records are unpacked like those of any archive, with the same errors."""

import io

import numpy as np
import pytest

from featdyn_core.arrays import UNREADABLE, Archive
from featdyn_core.store.unpacking import RecordArchive
from featdyn_core.tests.test_arrays import HOSTILE, packed

ARRAYS = {
    "integers": np.arange(12, dtype=np.int16).reshape(3, 4),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "texts": np.array(["a", "çé"]),
    "one number": np.array(2.5),
    "none": np.zeros((0, 5)),
    "of the other byte order": np.arange(3, dtype=">i4"),
    "named": np.zeros(3, dtype=[("é", "<f4")]),  # whose name needs the third version of headers
}


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_those_of_any_archive(array):
    content = packed(a=array, b=np.ones(2)).getvalue()
    found, expected = (of(io.BytesIO(content)) for of in (RecordArchive, Archive))
    assert list(found) == list(expected)
    assert found["a"].dtype == expected["a"].dtype
    assert found["a"].flags.f_contiguous == expected["a"].flags.f_contiguous
    assert found["a"].flags.writeable
    assert np.array_equal(found["a"], expected["a"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_as_by_any_archive(make, message):
    with pytest.raises(UNREADABLE, match=message):
        RecordArchive(make())["a"]


def test_two_arrays_of_one_header_do_not_share_their_memory():
    found = dict(RecordArchive(packed(a=np.zeros(3), b=np.zeros(3))))
    found["a"][:] = 1
    assert found["b"].tolist() == [0, 0, 0]
