"""What a claim sees of one seed, and what it returns.

A claim is a pure function from a ``Run`` to a ``Measured``: no training, no network and no image in it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.column import Column
from featdyn_core.verdicts.claim import Claim, Draws, Number
from featdyn_core.verdicts.evidence import Curve
from featdyn_core.verdicts.register import Window


@dataclass(frozen=True)
class Run:
    """One seed of one claim on one subject.

    Attributes:
        seed: the training seed.
        windows: name to epochs, of the register.
        protocol: name to number, of the register.
        read: name of a record in the register and arm to its views by split ("" where the kind has none).
        next: returns the run of the next seed; after the last comes the first.
    """

    seed: int
    windows: Mapping[str, Window]
    protocol: Mapping[str, Any]
    read: Callable[[str, str], Mapping[str, Any]]
    next: Callable[[], "Run"] | None = None

    def window(self, name: str) -> Window:
        """Epochs of a window."""
        return self.windows[name]

    def columns(self, name: str, arm: str = "clean") -> dict[str, Column]:
        """Columns of a record by split, ``held-out`` and ``training``."""
        return dict(self.read(name, arm))

    def record(self, name: str, arm: str = "clean") -> Any:
        """View of a record that has no splits (see ``measures.kinds``)."""
        (view,) = self.read(name, arm).values()
        return view

    def neighbour(self) -> "Run":
        """Return the run of another seed.

        Raises:
            MeasurementError: there is none.
        """
        if self.next is None:
            raise MeasurementError(f"seed {self.seed} has no neighbour: there is one seed only")
        return self.next()


@dataclass(frozen=True)
class Lines:
    """One seed's part of a figure.

    Attributes:
        x: (points,) abscissae.
        series: label to (points,) ordinates.
        x_label: axis with unit.
        y_label: axis with unit.
    """

    x: npt.ArrayLike
    series: Mapping[str, npt.ArrayLike]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Measured:
    """One seed's numbers.

    Attributes:
        numbers: name of a criterion to its number.
        both_splits: split to name to number, for criteria that decide ``on`` one split and are reported on the other.
        curves: title of a figure to this seed's lines.
    """

    numbers: Mapping[str, Number] = field(default_factory=dict)
    both_splits: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    curves: Mapping[str, Lines] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Number]:
        """Name of a criterion, with its split where it has one, to its number."""
        split = {
            f"{name}, {split}": value for split, found in self.both_splits.items() for name, value in found.items()
        }
        return {**self.numbers, **split}


Measure = Callable[[Run], Measured]


def gather(claim: Claim, found: Iterable[Measured]) -> tuple[dict[str, list[Number]], dict[str, Curve]]:
    """Stack one measurement a seed; names are checked after the first, before others are measured.

    Raises:
        MeasurementError: no measurement, names that are not those of the claim's criteria, more or less than a number
            for one of them, or lines that differ in their abscissae.
    """
    values: dict[str, list[Number]] = {}
    curves: dict[str, Curve] = {}
    with threadpool_limits(
        1, user_api="blas"
    ):  # claims compute on small matrices, where threads cost more than they give
        for measured in found:
            _check_measured(claim, measured)
            for name, value in measured.values.items():
                values.setdefault(name, []).append(value)
            for title, lines in measured.curves.items():
                _add_lines(curves, claim, title, lines)
    return values, curves


def _check_measured(claim: Claim, measured: Any) -> None:
    if not isinstance(measured, Measured):
        raise MeasurementError(f"claim {claim.id!r}: measure returned a {type(measured).__name__}, and no Measured")
    claim.check_names(list(measured.values))
    for name, value in measured.values.items():
        if not isinstance(value, Real | Draws):
            raise MeasurementError(
                f"claim {claim.id!r}: {name!r} of one seed is a {type(value).__name__}, and not one number"
            )


def _add_lines(curves: dict[str, Curve], claim: Claim, title: str, lines: Lines) -> None:
    """Add one seed's lines to the figure called ``title``."""
    x = np.asarray(lines.x, float).tolist()
    curve = curves.setdefault(title, Curve(x, {}, lines.x_label, lines.y_label))
    if curve.x != x:
        raise MeasurementError(f"claim {claim.id!r}: the figure {title!r} has other abscissae in each seed")
    for label, y in lines.series.items():
        curve.series.setdefault(label, []).append(np.asarray(y, float).tolist())


def over_shallow_epochs(column: Column, quantity: str, label: str) -> Lines:
    """Return the figure of a column's quantity over the shallow epoch, one line a depth."""
    table = getattr(column, quantity)
    series = {f"depth {depth}": row for depth, row in enumerate(table, start=1)}
    return Lines(column.epochs, series, "shallow epoch s", label)


def inside_window(run: Run, what: str) -> Measured:
    """Return what memory and transfer measure: the least favourable composites of a window, and a stranger's.

    Args:
        run: with the records ``column`` and ``stranger``.
        what: memory or transfer, for the titles of the figures.
    """
    columns = run.columns("column")
    return Measured(
        both_splits={split: column.worst for split, column in columns.items()},
        numbers={"agreement of a stranger": float(run.record("stranger").agreement.max())},
        curves={
            f"{what} on {split} images": over_shallow_epochs(column, "agreement", "agreement with f_t")
            for split, column in columns.items()
        },
    )
