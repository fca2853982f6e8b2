"""Check that records agree: all records of a network must hold the same predictions and labels of it."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.store.records import Record

_SAME = ("reference", "labels")
"""Arrays that depend only on the checkpoint and the images, whatever else the record measures."""

_OF_THE_NETWORK = ("images", "split", "corruption", "precision", "planted")
"""Parameters that change the network ``f_t`` or its images."""


class Agreement:
    """Remembers what records hold of their networks, and compares the next records with it.

    It compares the predictions of ``f_t`` and the labels of the same images. Columns, whole networks, strangers,
    averages and closeness all hold them. It does not compare records of different checkpoints, images or epochs, nor
    records of different machines, where rounding may decide ties differently.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], tuple[str, npt.NDArray[Any]]] = {}

    def differing(self, record: Record, name: str) -> list[str]:
        """Return in words how a record differs from earlier ones; errors are those of ``Record.arrays``.

        Args:
            record: the record to compare, and to remember for later ones.
            name: its name in the words.
        """
        found = []
        for array in (array for array in _SAME if array in record.arrays):
            other, known = self._first.setdefault(_place(record, array), (name, record.arrays[array]))
            if not np.array_equal(known, record.arrays[array]):
                found.append(f"{other} and {name} differ in {array}")
        return found


def disagreements(records: Iterable[Record]) -> list[str]:
    """Return a line for each record that contradicts another one; the line names both."""
    agreement = Agreement()
    return [line for record in records for line in agreement.differing(record, record.facts["file"])]


def _place(record: Record, name: str) -> tuple[str, ...]:
    """Return what determines an array of a record."""
    parameters = record.facts["parameters"]
    epoch = parameters.get("deep", parameters.get("epochs", [None])[-1])
    chosen = {key: parameters[key] for key in _OF_THE_NETWORK if key in parameters}
    precise = {key: value for key, value in chosen.items() if (key, value) != ("precision", "fp32")}
    facts = record.facts["checkpoints"]["sha256"], record.facts["data"]["digest"]
    where = (str(record.facts["measured"].get(fact)) for fact in ("device", "machine"))
    return (name, *facts, *where, str(epoch), json.dumps(precise, sort_keys=True))
