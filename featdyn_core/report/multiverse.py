"""The multiverse of rows: a table of shares of verdicts, and the specification curve as a figure."""

import csv
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar

from featdyn_core.report.axes import Axis, dots, fitted, path
from featdyn_core.report.drawing import INK, style
from featdyn_core.report.figures import saved
from featdyn_core.report.wording import scale
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import SHOWN, Multiverse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE = "specification curve"
"""Title of the figure."""

COLOURS = dict(zip(SHOWN, ("#009e73", "#56b4e9", "#e69f00", "#d55e00", "#cc79a7"), strict=True))
"""Verdict to its colour, that of its badge on a page."""

_HEADS = ("row", "specs", "S", "E", "I", "R", "INV", "verdict")

_NOTE = (
    "Share of the specifications in %: S SUPPORTED, E EQUIVALENT, I INCONCLUSIVE, R REFUTED, INV INVALID. "
    "The verdict is that of the registered one; the others decide nothing."
)

_WIDTH, _CURVE, _CHOICE = 5.0, 2.2, 0.2
"""Width of a file's figure, and heights of the curve and of the line of one choice, in inches."""

_HEIGHT, _LINE = 120, 16
"""Heights of the curve on a page and of the line of one choice, in pixels."""


@dataclass(frozen=True)
class SpecificationPanel:
    """The specification curve as a page draws it: above, distances to the bound; below, one line per choice.

    Attributes:
        y: axis of the distances.
        size: how many specifications there are, which is the width, and the height in pixels.
        heights: heights of the curve and of the line of one choice, in pixels.
        choices: names of the lines.
        marks: verdict to two paths, in the steps of ``axes.FINE``: dots above, and marks on the lines of choices.
        registered: the dot of the specification that decides.
    """

    look: ClassVar[str] = "specifications"
    title: ClassVar[str] = CURVE

    y: Axis
    size: tuple[int, int]
    heights: tuple[int, int]
    choices: list[str]
    marks: dict[Verdict, tuple[str, str]]
    registered: str


def multiverse_lines(rows: Sequence[Evidence], width: int) -> list[str]:
    """Return the shares of verdicts as lines of plain text, one per row with a multiverse, and a note on them."""
    shown = [(row, row.multiverse) for row in rows if row.multiverse]
    cells = [
        [f"{row.claim} {row.subject} ({scale(row)})", str(len(found.verdicts))]
        + [f"{share:.0f}" for share in found.shares.values()]
        + [str(row.verdict)]
        for row, found in shown
    ]
    table = [list(_HEADS), *cells]
    spaces = [max(len(line[at]) for line in table) for at in range(len(_HEADS))]
    spaces[0] = min(spaces[0], max(12, width - sum(spaces[1:]) - 2 * (len(_HEADS) - 1)))
    return [_line(line, spaces) for line in table] + ["", *textwrap.wrap(_NOTE, width)]


def _line(cells: Sequence[str], spaces: Sequence[int]) -> str:
    first = cells[0] if len(cells[0]) <= spaces[0] else f"{cells[0][: spaces[0] - 1]}…"
    numbers = [cell.rjust(space) for cell, space in zip(cells[1:-1], spaces[1:-1], strict=True)]
    return "  ".join([first.ljust(spaces[0]), *numbers, cells[-1]])


def specification_panel(multiverse: Multiverse) -> SpecificationPanel:
    """Lay the specification curve out for a page."""
    order, choices = _order(multiverse), _choices(multiverse)
    y, columns = fitted([*multiverse.reach, -1.0, 1.0], _HEIGHT, 0.0), len(order)
    marks: dict[Verdict, tuple[str, str]] = {}
    for verdict, at in _by_verdict(multiverse, order).items():
        reached = dots((place, y.place(multiverse.reach[order[place]])) for place in at)
        marked = "".join(
            path([(place, _HEIGHT + _LINE * (line + 0.15)), (place, _HEIGHT + _LINE * (line + 0.85))])
            for place, line in _marked(multiverse, order, at, choices)
        )
        marks[verdict] = reached, marked
    return SpecificationPanel(
        y=y,
        size=(columns, _HEIGHT + _LINE * len(choices)),
        heights=(_HEIGHT, _LINE),
        choices=[f"{dimension}: {choice}" for dimension, choice in choices],
        marks=marks,
        registered=dots([(order.index(0), y.place(multiverse.reach[0]))]),
    )


def specification_files(multiverse: Multiverse, name: str) -> dict[str, bytes]:
    """Draw the specification curve, its name above it, and return its files by their kind (see ``figures.saved``)."""
    return saved(_draw(multiverse, name), name)


def specification_csv(multiverse: Multiverse) -> str:
    """Return every specification on a line: its choices, verdict, reach, and the criterion that decides."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*multiverse.dimensions, "verdict", "reach", "decided by"])
    found = zip(multiverse.specifications, multiverse.verdicts, multiverse.reach, multiverse.hinges, strict=True)
    writer.writerows([*choices, verdict, reach, hinge] for choices, verdict, reach, hinge in found)
    return text.getvalue()


_Choice = tuple[str, str]
"""Names of a dimension and of one of its choices."""


def _order(multiverse: Multiverse) -> list[int]:
    """Return the specifications, sorted by their distance from the bound."""
    return sorted(range(len(multiverse.verdicts)), key=lambda at: multiverse.reach[at])


def _choices(multiverse: Multiverse) -> dict[_Choice, int]:
    """Return each choice and its line."""
    named = [(dimension, choice) for dimension, choices in multiverse.dimensions.items() for choice in choices]
    return {choice: line for line, choice in enumerate(named)}


def _marked(
    multiverse: Multiverse, order: Sequence[int], at: Sequence[int], choices: Mapping[_Choice, int]
) -> Iterator[tuple[int, int]]:
    """Yield places in the order and the lines of what is chosen there."""
    specifications = multiverse.specifications
    for place in at:
        for choice in zip(multiverse.dimensions, specifications[order[place]], strict=True):
            yield place, choices[choice]


def _draw(multiverse: Multiverse, name: str) -> "Figure":
    """Return the figure: above, the distance of each specification from its bound; below, its choices."""
    order, choices = _order(multiverse), _choices(multiverse)
    with style(name):
        from matplotlib.figure import Figure

        height = _CHOICE * len(choices)
        figure = Figure(figsize=(_WIDTH, _CURVE + height + 0.7), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[_CURVE, height])
        _draw_curve(above, multiverse, order)
        _draw_choices(below, multiverse, order, choices)
        figure.legend(*above.get_legend_handles_labels(), loc="outside lower left", ncols=2)
        figure.suptitle("\n".join(textwrap.wrap(name, 70)), x=0.01, horizontalalignment="left", fontsize=9)
    return figure


def _draw_curve(axes: "Axes", multiverse: Multiverse, order: Sequence[int]) -> None:
    """Draw each specification as a dot; beyond the dotted lines the whole interval lies on one side of the bound."""
    axes.axhline(0, color=INK, linewidth=1.0, linestyle="-")
    for reach in (-1, 1):
        axes.axhline(reach, color=INK, linewidth=0.8, linestyle=":")
    for verdict, at in _by_verdict(multiverse, order).items():
        reached = [multiverse.reach[order[place]] for place in at]
        axes.plot(at, reached, "o", markersize=3, color=COLOURS[verdict], label=str(verdict))
    look: dict[str, Any] = {"markersize": 8, "markerfacecolor": "none", "markeredgecolor": INK}
    axes.plot([order.index(0)], [multiverse.reach[0]], "o", label="as registered", **look)
    axes.set_ylabel("distance to the bound\n(arms of the interval)")


def _draw_choices(axes: "Axes", multiverse: Multiverse, order: Sequence[int], choices: Mapping[_Choice, int]) -> None:
    """Mark the choices of each specification, one line a choice."""
    for verdict, at in _by_verdict(multiverse, order).items():
        marked = _marked(multiverse, order, at, choices)
        # one broken line for all: as a marker each would be an element of the file
        ends = [end for place, line in marked for end in ((place, line - 0.35), (place, line + 0.35), (nan, nan))]
        axes.plot(*zip(*ends, strict=True), "-", color=COLOURS[verdict], linewidth=1, solid_capstyle="butt")
    axes.set_yticks(range(len(choices)), [f"{dimension}: {choice}" for dimension, choice in choices])
    axes.invert_yaxis()
    axes.set_xlabel(f"{len(order)} specifications, by distance")


def _by_verdict(multiverse: Multiverse, order: Sequence[int]) -> dict[Verdict, list[int]]:
    """Return verdict to the places of its specifications in the order."""
    found: dict[Verdict, list[int]] = {verdict: [] for verdict in SHOWN}
    for place, at in enumerate(order):
        found[multiverse.verdicts[at]].append(place)
    return {verdict: at for verdict, at in found.items() if at}
