"""Items: the numbers of a claim about several depths, one number per depth."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.units import Counted, Number

Value = TypeVar("Value")


def by_depth(values: npt.ArrayLike, *, of: int | None = None) -> dict[str, Number]:
    """Return the numbers (depths,) by the name of their depth: "depth 1" and so on.

    ``of`` is the number of images or pairs that each was counted from; leave it out if nothing was counted.

    Examples:
        >>> by_depth([0.9, 0.8])
        {'depth 1': 0.9, 'depth 2': 0.8}
    """
    numbers = np.asarray(values, float).tolist()
    return {
        f"depth {depth}": value if of is None else Counted(value, of) for depth, value in enumerate(numbers, start=1)
    }


def chosen(items: Mapping[str, Value], names: Iterable[str]) -> dict[str, Value]:
    """Return the items that a list of the protocol names.

    Raises:
        MeasurementError: the measurement has no item of that name.

    Examples:
        >>> chosen({"depth 1": 0.9, "depth 2": 0.8}, ["depth 2"])
        {'depth 2': 0.8}
    """
    names = list(names)
    if absent := [name for name in names if name not in items]:
        raise MeasurementError(f"the measurement has no item {absent[0]!r}; it has {', '.join(items)}")
    return {name: items[name] for name in names}


def difference(one: Number, other: Number) -> Number:
    """Return the difference of two numbers; if one is counted, so is the difference, from the smaller number of things.

    Examples:
        >>> difference(0.75, 0.5)
        0.25
        >>> difference(share_of(3, 4), share_of(1, 2))
        Counted(value=0.25, of=2)
    """
    counts = [number.of for number in (one, other) if isinstance(number, Counted)]
    value = float(one) - float(other)
    return Counted(value, min(counts)) if counts else value


def minus(one: Mapping[str, Number], other: Mapping[str, Number]) -> dict[str, Number]:
    """Return the differences of two measurements, item by item (see ``difference``).

    Raises:
        MeasurementError: their items differ.

    Examples:
        >>> minus({"depth 1": 0.75}, {"depth 1": 0.5})
        {'depth 1': 0.25}
    """
    if list(one) != list(other):
        raise MeasurementError(f"items {', '.join(other)} cannot be subtracted from {', '.join(one)}; measure the same")
    return {name: difference(one[name], other[name]) for name in one}


def with_splits(numbers: Mapping[str, Mapping[str, Mapping[str, Value]]]) -> dict[str, dict[str, dict[str, Value]]]:
    """Reorder the keys split, criterion, item to criterion, item, split, as in a criterion's name.

    Examples:
        >>> found = {"training": {"accuracy": {"depth 1": 1.0}}, "held-out": {"accuracy": {"depth 1": 0.9}}}
        >>> with_splits(found)
        {'accuracy': {'depth 1': {'training': 1.0, 'held-out': 0.9}}}
    """
    some = next(iter(numbers.values()))
    return {
        name: {item: {split: found[name][item] for split, found in numbers.items()} for item in items}
        for name, items in some.items()
    }


def by_criterion(numbers: Mapping[str, Mapping[str, Value]]) -> dict[str, dict[str, Value]]:
    """Reorder the keys item, criterion to criterion, item, as in a criterion's name.

    Examples:
        >>> by_criterion({"depth 1": {"accuracy": 1.0}, "depth 2": {"accuracy": 0.9}})
        {'accuracy': {'depth 1': 1.0, 'depth 2': 0.9}}
    """
    some = next(iter(numbers.values()))
    return {name: {item: found[name] for item, found in numbers.items()} for name in some}
