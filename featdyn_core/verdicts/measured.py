"""What a claim measures of one seed: numbers, and its part of each figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy.typing as npt

from featdyn_core.verdicts.claim import Number
from featdyn_core.verdicts.plane import Plane


@dataclass(frozen=True)
class Lines:
    """One seed's part of a figure.

    Attributes:
        x: (points,) abscissae.
        series: label to (points,) ordinates.
        x_label: axis with unit.
        y_label: axis with unit.
        bound: name of the criterion whose bound is drawn.
        window: name of the window of the register that is shaded.
        over_epochs: whether the abscissae are epochs: the steps of the learning rate are then drawn as well.
        log: whether the ordinates are drawn on a logarithmic scale.
    """

    x: npt.ArrayLike
    series: Mapping[str, npt.ArrayLike]
    x_label: str
    y_label: str
    bound: str = ""
    window: str = ""
    over_epochs: bool = False
    log: bool = False


@dataclass(frozen=True)
class Measured:
    """One seed's numbers.

    Attributes:
        numbers: name of a criterion to its number.
        both_splits: split to name to number, for criteria that decide ``on`` one split and are reported on the other;
            or item of a list to name to number, for those that are asked of ``each``.
        curves: title of a figure to this seed's lines.
        planes: title of a picture to this seed's; that of the first seed is kept.
        counter_example: a world in which a theorem does not hold; empty where none was found.
    """

    numbers: Mapping[str, Number] = field(default_factory=dict)
    both_splits: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    curves: Mapping[str, Lines] = field(default_factory=dict)
    planes: Mapping[str, Plane] = field(default_factory=dict)
    counter_example: str = ""

    @property
    def values(self) -> dict[str, Number]:
        """Name of a criterion, with its split where it has one, to its number."""
        split = {
            f"{name}, {split}": value for split, found in self.both_splits.items() for name, value in found.items()
        }
        return {**self.numbers, **split}
