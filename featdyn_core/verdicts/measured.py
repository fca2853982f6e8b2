"""What a claim measures for one seed: numbers, and the seed's part of each figure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy.typing as npt

from featdyn_core.verdicts.plane import Plane
from featdyn_core.verdicts.units import Number


@dataclass(frozen=True)
class Lines:
    """One seed's part of a figure.

    Attributes:
        x: (points,) abscissae.
        series: label to (points,) ordinates.
        x_label: axis with unit.
        y_label: axis with unit.
        bound: name of the criterion whose bound is drawn, without an item; all items of one have the same bound.
        window: name of the window of the register that is shaded.
        over_epochs: whether the abscissae are epochs; the steps of the learning rate are then drawn as well.
        log: whether the ordinates are drawn on a logarithmic scale.

    Examples:
        >>> Lines([0, 1], {"depth 1": [0.9, 1.0]}, "epoch", "agreement").y_label
        'agreement'
    """

    x: npt.ArrayLike
    series: Mapping[str, npt.ArrayLike]
    x_label: str
    y_label: str
    bound: str = ""
    window: str = ""
    over_epochs: bool = False
    log: bool = False


Items = Mapping[str, "Number | Items"]
"""Names to numbers, or to nested items: ``{"agreement": {"depth 1": {"held-out": ..., "training": ...}}}``."""


@dataclass(frozen=True)
class Measured:
    """One seed's numbers.

    Attributes:
        numbers: name of a criterion to its number. A criterion with ``each`` has numbers by item, and one with ``on``
            has them by split.
        curves: title of a figure to this seed's lines.
        planes: title of a picture to this seed's picture; only the first seed's is kept.
        counter_example: a world in which a theorem does not hold; empty if none was found.

    Examples:
        >>> Measured({"agreement": {"depth 1": {"held-out": 0.9}}}).values
        {'agreement, depth 1, held-out': 0.9}
    """

    numbers: Items = field(default_factory=dict)
    curves: Mapping[str, Lines] = field(default_factory=dict)
    planes: Mapping[str, Plane] = field(default_factory=dict)
    counter_example: str = ""

    @property
    def values(self) -> dict[str, Number]:
        """Name of a criterion, with its item and its split if it has them, to its number."""
        return dict(_named(self.numbers))


def _named(items: Items, *above: str) -> Iterator[tuple[str, Number]]:
    """Yield numbers with their names, in which the names of all levels are joined."""
    for name, value in items.items():
        if isinstance(value, Mapping):
            yield from _named(value, *above, name)
        else:
            yield ", ".join([*above, name]), value
