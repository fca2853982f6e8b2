"""Arrays in ``.npz`` files, unpacked only up to the size that the file really holds.

A header of a few bytes may claim any number of elements. Memory is taken only if the elements are there.
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
"""Largest total size of the unpacked arrays of a file, in bytes."""

UNREADABLE = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, MemoryError, OverflowError),  # packed by an unknown method, or too large
)
"""Exceptions that reading a damaged or hostile file raises."""


class Archive(Mapping[str, npt.NDArray[Any]]):
    """The arrays of an ``.npz`` file by name, each unpacked on access; pickles are refused.

    A file that cannot be read raises one of ``UNREADABLE``, also on access to an array.

    Args:
        file: the file.
        most: largest total size of the arrays, in bytes.

    Raises:
        ValueError: the file claims more arrays or bytes than allowed.
    """

    def __init__(self, file: BinaryIO, most: int = MOST_BYTES) -> None:
        self._packed = zipfile.ZipFile(file)
        members = self._packed.infolist()
        if len(members) > MOST_ARRAYS or (size := sum(member.file_size for member in members)) > most:
            told = f"{len(members):,} arrays" if len(members) > MOST_ARRAYS else f"{size:,} bytes"
            raise ValueError(f"it claims {told}; at most {MOST_ARRAYS:,} arrays of {most:,} bytes are allowed")
        self._members = {member.filename.removesuffix(".npy"): member for member in members}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        member = self._members[name]
        with self._packed.open(member) as file:
            version = _format.read_magic(file)
            # Version 3 differs from 2 only in the spelling of field names.
            one = version == (1, 0)
            shape, _, dtype = (_format.read_array_header_1_0 if one else _format.read_array_header_2_0)(file)
            there, told = member.file_size - file.tell(), math.prod(shape) * dtype.itemsize
        if told != there and not dtype.hasobject:
            raise ValueError(f"the header of {name!r} claims {told:,} bytes, but the file has {there:,}")
        with self._packed.open(member) as file:
            return _format.read_array(file, allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)
