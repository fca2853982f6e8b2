"""Records that hold the same thing: what one says of a network's own predictions and labels, all others say too."""

import json
from collections.abc import Iterable

import numpy as np

from featdyn_core.store.records import Record

_SAME = ("reference", "labels")
"""Arrays that depend on the checkpoint and the images alone, whatever else is measured beside them."""

_OF_THE_NETWORK = ("images", "split", "corruption", "precision", "planted")
"""Parameters that change the network ``f_t`` or the images that it looks at."""


def disagreements(records: Iterable[Record]) -> list[str]:
    """Return the records that differ from another one in what both hold, each in a line that names the two.

    Compared are the predictions of ``f_t`` and the labels of the same images, which columns, whole networks,
    strangers, averages and closeness have in common. Of records of other checkpoints, images or epochs nothing is
    compared.
    """
    first: dict[tuple[str, ...], Record] = {}
    found = []
    for record in records:
        for name in (name for name in _SAME if name in record.arrays):
            one = first.setdefault(_place(record, name), record)
            if not np.array_equal(one.arrays[name], record.arrays[name]):
                found.append(f"{one.facts['file']} and {record.facts['file']} differ in {name}")
    return found


def _place(record: Record, name: str) -> tuple[str, ...]:
    """Return what determines an array of a record."""
    parameters = record.facts["parameters"]
    epoch = parameters.get("deep", parameters.get("epochs", [None])[-1])
    chosen = {key: parameters[key] for key in _OF_THE_NETWORK if key in parameters}
    precise = {key: value for key, value in chosen.items() if (key, value) != ("precision", "fp32")}
    facts = record.facts["checkpoints"]["sha256"], record.facts["data"]["digest"]
    return (name, *facts, str(epoch), json.dumps(precise, sort_keys=True))
