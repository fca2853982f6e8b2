"""Numbers for a figure, and the marks of a claim in it."""

import math
from dataclasses import dataclass, field
from typing import Any

from featdyn_core.tables import build, read

_Line = list[float | None]


@dataclass(frozen=True)
class Curve:
    """Numbers for a figure of the report.

    Attributes:
        x: (points,) abscissae.
        series: label to one list of (points,) ordinates per seed; a missing ordinate is NaN, and null in a file.
        x_label: axis with unit.
        y_label: axis with unit.
        bound: name of the criterion whose bound is drawn, without an item; empty for none.
        window: name of the claim's window that is shaded; empty for none.
        steps: abscissae after which the learning rate changes.
        log: whether the ordinates are drawn on a logarithmic scale.

    Examples:
        >>> curve = Curve([0, 1], {"depth 1": [[0.9, 1.0]]}, "epoch", "agreement")
        >>> list(curve.series)
        ['depth 1']
    """

    x: list[float]
    series: dict[str, list[list[float]]]
    x_label: str
    y_label: str
    bound: str = ""
    window: str = ""
    steps: list[float] = field(default_factory=list)
    log: bool = False

    @classmethod
    def from_plain(cls, table: dict[str, Any], where: str) -> "Curve":
        """Return the curve whose fields were read from a file, in which null stands for a missing number.

        A table that is not a curve is a ``RecipeError`` that says where.
        """
        lists: dict[str, Any] = {
            name: _gaps(read(_Line, table[name], f"{where}, {name}")) for name in ("x", "steps") if name in table
        }
        if "series" in table:
            lines = read(dict[str, list[_Line]], table["series"], f"{where}, series")
            lists["series"] = {label: list(map(_gaps, seeds)) for label, seeds in lines.items()}
        return build(cls, {**table, **lists}, where)


def _gaps(line: _Line) -> list[float]:
    return [math.nan if number is None else number for number in line]
