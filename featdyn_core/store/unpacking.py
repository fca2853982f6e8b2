"""Arrays of records, which are small and thousands: their headers repeat, and each text of one is read once."""

import functools
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as _format

from featdyn_core.arrays import Archive

_MAGIC = b"\x93NUMPY\x01\x00"
"""Magic bytes of the first version of headers, which NumPy prefers; two bytes give the length of the header."""

_START = len(_MAGIC) + 2


class RecordArchive(Archive):
    """An ``Archive`` of small arrays, each of which is unpacked whole; errors are those of ``Archive``."""

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        content = self._packed.read(self._members[name])
        start = _START + int.from_bytes(content[len(_MAGIC) : _START], "little")
        if content.startswith(_MAGIC):
            shape, by_columns, dtype = _header(content[:start])
            if not dtype.hasobject and math.prod(shape) * dtype.itemsize == len(content) - start:
                array = np.frombuffer(content, dtype, offset=start).copy()  # NumPy reads arrays that may be written
                return array.reshape(shape, order="F" if by_columns else "C")
        return super().__getitem__(name)  # of another version, or to be refused


@functools.lru_cache(maxsize=4096)
def _header(text: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and type that a header speaks of."""
    file = io.BytesIO(text)
    _format.read_magic(file)
    return _format.read_array_header_1_0(file)
