"""Records that hold the same thing: what one says of a network's own predictions and labels, all others say too."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.store.records import Record

_SAME = ("reference", "labels")
"""Arrays that depend on the checkpoint and the images alone, whatever else is measured beside them."""

_OF_THE_NETWORK = ("images", "split", "corruption", "precision", "planted")
"""Parameters that change the network ``f_t`` or the images that it looks at."""


class Agreement:
    """What records have said of the networks that they look at, for the next to be compared with.

    Compared are the predictions of ``f_t`` and the labels of the same images, which columns, whole networks,
    strangers, averages and closeness have in common. Of records of other checkpoints, images or epochs nothing is
    compared, nor of those of another machine, whose rounding decides a tie otherwise.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], tuple[str, npt.NDArray[Any]]] = {}

    def differing(self, record: Record, name: str) -> list[str]:
        """Return what a record has otherwise than one before it, each in words; raises as ``Record.arrays``.

        Args:
            record: to compare, and to compare later ones with.
            name: what it is called in such words.
        """
        found = []
        for array in (array for array in _SAME if array in record.arrays):
            other, known = self._first.setdefault(_place(record, array), (name, record.arrays[array]))
            if not np.array_equal(known, record.arrays[array]):
                found.append(f"{other} and {name} differ in {array}")
        return found


def disagreements(records: Iterable[Record]) -> list[str]:
    """Return the records that differ from another one in what both hold, each in a line that names the two."""
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
