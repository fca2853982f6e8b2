"""The input of a claim for one seed, and its result.

A claim is a pure function from a ``Run`` to a ``Measured``: it sees no training, no network and no image.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from featdyn_core.errors import MeasurementError
from featdyn_core.records.column import Column
from featdyn_core.register.register import Window
from featdyn_core.verdicts.claim import Claim
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.measured import Lines, Measured
from featdyn_core.verdicts.plane import Plane
from featdyn_core.verdicts.units import Counted, Number


@dataclass(frozen=True)
class Run:
    """One seed of one claim on one subject.

    Attributes:
        seed: the training seed.
        windows: name to epochs, from the register.
        protocol: name to number, from the register.
        read: takes the name of a record and an arm; returns views by split ("" if the kind has no splits).
        next: returns the run of the next seed; the first follows the last.
        worlds: Hypothesis strategy for the worlds of a theorem, in a planted world; None for that of the claim.

    Examples:
        >>> run = planted.run({"column": {"held-out": Column.planted(range(3), 0.1)}}, windows={"memory": (0, 2)})
        >>> run.window("memory"), run.columns("column")["held-out"].deep
        (Window(first=0, last=2), 2)
    """

    seed: int
    windows: Mapping[str, Window]
    protocol: Mapping[str, Any]
    read: Callable[[str, str], Mapping[str, Any]]
    next: Callable[[], "Run"] | None = None
    worlds: Any = None

    def window(self, name: str) -> Window:
        """Epochs of a window."""
        return self.windows[name]

    def columns(self, name: str, arm: str = "clean") -> dict[str, Column]:
        """Columns of a record by split, ``held-out`` and ``training``."""
        return dict(self.read(name, arm))

    def columns_by_epoch(self, name: str, arm: str = "clean") -> dict[str, dict[int, Column]]:
        """Columns of a record with several deep epochs, by split and by deep epoch in ascending order."""
        return dict(self.read(name, arm))

    def record(self, name: str, arm: str = "clean") -> Any:
        """View of a record without splits (see ``records.kinds``)."""
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


Measure = Callable[[Run], Measured]
"""A claim's measurement: one seed in, its numbers and curves out."""

Decide = Callable[[Measure], Evidence]
"""The fixture ``decide``: measures a claim, records the evidence and ends the test by the verdict."""


class Gathered(NamedTuple):
    """The measurements of all seeds together.

    Attributes:
        values: name of a criterion to one number per seed.
        curves: title of a figure to its numbers.
        planes: title to the picture of the first seed.
        counter_example: the first one that a seed found; empty if there is none.
    """

    values: dict[str, list[Number]]
    curves: dict[str, Curve]
    planes: dict[str, Plane]
    counter_example: str


def gather(
    claim: Claim,
    found: Iterable[Measured],
    *,
    windows: Collection[str] | None = None,
    steps: Sequence[float] = (),
) -> Gathered:
    """Stack one measurement per seed; names are checked after the first seed, before others are measured.

    It raises a ``MeasurementError`` if there is no measurement, if names differ from those of the claim's criteria, if
    a criterion does not have exactly one number, if lines differ in their abscissae, or if they name an unknown bound
    or window.

    Args:
        claim: whose criteria are measured.
        found: one measurement per seed.
        windows: names of the claim's windows; None if they are unknown, as in a planted world.
        steps: epochs after which the learning rate changes.
    """
    values: dict[str, list[Number]] = {}
    curves: dict[str, Curve] = {}
    planes: dict[str, Plane] = {}
    counter_example = ""
    with threadpool_limits(
        1, user_api="blas"
    ):  # claims compute on small matrices, where threads cost more than they give
        for measured in found:
            _check_measured(claim, measured)
            for name, value in measured.values.items():
                values.setdefault(name, []).append(value)
            for title, lines in measured.curves.items():
                _check_lines(claim, title, lines, windows)
                _add_lines(curves, claim, title, lines, steps)
            planes = planes or dict(measured.planes)
            counter_example = counter_example or measured.counter_example
    return Gathered(values, curves, planes, counter_example)


def _check_measured(claim: Claim, measured: Any) -> None:
    if not isinstance(measured, Measured):
        raise MeasurementError(f"claim {claim.id!r}: measure returned a {type(measured).__name__}, and no Measured")
    claim.check_names(list(measured.values))
    for name, value in measured.values.items():
        if not isinstance(value, Real | Counted):
            raise MeasurementError(
                f"claim {claim.id!r}: {name!r} of one seed is a {type(value).__name__}, and not one number"
            )


def _check_lines(claim: Claim, title: str, lines: Lines, windows: Collection[str] | None) -> None:
    if lines.bound and not any(lines.bound in (item.name, item.parts.name) for item in claim.criteria):
        raise MeasurementError(
            f"claim {claim.id!r}: the figure {title!r} draws the bound of no criterion {lines.bound!r}"
        )
    if lines.window and windows is not None and lines.window not in windows:
        raise MeasurementError(f"claim {claim.id!r}: the figure {title!r} shades no window {lines.window!r}")


def _add_lines(curves: dict[str, Curve], claim: Claim, title: str, lines: Lines, steps: Sequence[float]) -> None:
    """Add one seed's lines to the figure called ``title``.

    Raises:
        MeasurementError: its abscissae differ from those of earlier seeds.
    """
    x = np.asarray(lines.x, float).tolist()
    shown = [step for step in steps if min(x) <= step <= max(x)] if lines.over_epochs else []
    empty = Curve(x, {}, lines.x_label, lines.y_label, lines.bound, lines.window, shown, lines.log)
    curve = curves.setdefault(title, empty)
    if curve.x != x:
        raise MeasurementError(f"claim {claim.id!r}: the figure {title!r} has other abscissae in each seed")
    for label, y in lines.series.items():
        curve.series.setdefault(label, []).append([_shown(value) for value in np.asarray(y, float).tolist()])


def _shown(value: float) -> float:
    """A number with the four digits that a figure can show; all digits would double an evidence file."""
    return float(f"{value:.4g}")
