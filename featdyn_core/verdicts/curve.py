"""Numbers for a figure, and what of a claim is drawn into it."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Curve:
    """Numbers for a figure of the report.

    Attributes:
        x: (points,) abscissae.
        series: label to one list of (points,) ordinates per seed; NaN, in a file null, where there is none.
        x_label: axis with unit.
        y_label: axis with unit.
        bound: name of the criterion whose bound is drawn; empty for none.
        window: name of the claim's window that is shaded; empty for none.
        steps: abscissae behind which the learning rate is another.
        log: whether the ordinates are drawn on a logarithmic scale.
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
    def from_plain(cls, fields: dict[str, Any]) -> "Curve":
        """Return the curve whose fields were read from a file, with null for what is no number."""

        def gaps(line: list[float | None]) -> list[float]:
            return [math.nan if number is None else number for number in line]

        series = {label: [gaps(line) for line in seeds] for label, seeds in fields["series"].items()}
        places = {name: gaps(fields[name]) for name in ("x", "steps")}
        return cls(**fields | places | {"series": series})
