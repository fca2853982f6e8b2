"""Arrays in ``.npz`` files, of which nothing is unpacked that the file does not hold.

A header is a few bytes that may speak of any number of elements: room for them is made only where they are there.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy.typing as npt
from numpy.lib import format as _format

MOST_ARRAYS = 1000
"""In one file."""

MOST_BYTES = 2**32
"""Of all arrays of a file, unpacked."""

UNREADABLE = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, MemoryError, OverflowError),  # packed in a way that nobody here can undo, or too much
)
"""What reading a damaged or hostile file raises."""


class Archive(Mapping[str, npt.NDArray[Any]]):
    """The arrays of an ``.npz`` file by name, each unpacked when it is asked for; pickles are refused.

    What cannot be read is one of ``UNREADABLE``, also as an array is asked for.

    Args:
        file: the file.
        most: bytes of all arrays.

    Raises:
        ValueError: it speaks of more arrays or bytes than it may have.
    """

    def __init__(self, file: BinaryIO, most: int = MOST_BYTES) -> None:
        self._packed = zipfile.ZipFile(file)
        members = self._packed.infolist()
        if len(members) > MOST_ARRAYS or (size := sum(member.file_size for member in members)) > most:
            told = f"{len(members):,} arrays" if len(members) > MOST_ARRAYS else f"{size:,} bytes"
            raise ValueError(f"it speaks of {told}; {MOST_ARRAYS:,} arrays of {most:,} bytes are the most")
        self._members = {member.filename.removesuffix(".npy"): member for member in members}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        member = self._members[name]
        with self._packed.open(member) as file:
            version = _format.read_magic(file)
            # Version 3 differs from 2 in how names of fields are spelt alone.
            one = version == (1, 0)
            shape, _, dtype = (_format.read_array_header_1_0 if one else _format.read_array_header_2_0)(file)
            there, told = member.file_size - file.tell(), math.prod(shape) * dtype.itemsize
        if told != there and not dtype.hasobject:
            raise ValueError(f"the header of {name!r} speaks of {told:,} bytes, and {there:,} are there")
        with self._packed.open(member) as file:
            return _format.read_array(file, allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)
