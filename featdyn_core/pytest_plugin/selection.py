"""Which tests a run is of: the rows that they decide, and tiers that cost only where ``-m`` names them."""

import re
from collections.abc import Collection, Iterable

import pytest

ROW = "featdyn_row"
"""Attribute of a test's report: the row that the test decides."""


def row_of(item: pytest.Item) -> str:
    """Return the id of the row that a test decides, its parameter; empty if it decides none."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("decide", "")) if callspec else ""


def row_named(nodeid: str, rows: Collection[str]) -> str:
    """Return the row whose id stands in a test's name, the longest if one holds another; empty if none does.

    For where the name is all there is: of pytest-xdist's workers, and of a test whose process died. Other plugins put
    parameters of their own beside it.
    """
    told = nodeid.partition("[")[2].removesuffix("]")
    if told in rows:
        return told
    found = (row for row in rows if row in told and f"-{row}-" in f"-{told}-")
    return max(found, key=len, default="")


def named_marks(expression: str) -> set[str]:
    """Return the names that stand in an expression of ``-m``, be it behind ``not``."""
    return set(re.findall(r"\w+", expression))


def leave_out(config: pytest.Config, items: list[pytest.Item], marks: Iterable[str]) -> None:
    """Deselect tests with marks that cost, unless ``-m`` names the mark.

    Decided here, and not by the settings of a project: ``-m`` on the command line takes the place of one that stands
    there, and settings of another folder may be read in their place.
    """
    named = named_marks(config.option.markexpr)
    idle = [mark for mark in marks if mark not in named]
    deselect(config, items, [item for item in items if any(item.get_closest_marker(mark) for mark in idle)])


def deselect(config: pytest.Config, items: list[pytest.Item], left_out: Collection[pytest.Item]) -> None:
    """Take tests out of a run, and tell pytest of them."""
    if left_out:
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=list(left_out))
