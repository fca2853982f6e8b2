"""Select the tests of a run: find the rows that they decide, and leave out costly tiers unless ``-m`` names them."""

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
    """Return the row whose id is in a test's name, or the longest of several; empty if there is none.

    Reports of pytest-xdist's workers, and of a test whose process died, have only the name. Other plugins may add
    their own parameters to it.
    """
    parameters = nodeid.partition("[")[2].removesuffix("]")
    if parameters in rows:
        return parameters
    found = (row for row in rows if row in parameters and f"-{row}-" in f"-{parameters}-")
    return max(found, key=len, default="")


def named_marks(expression: str) -> set[str]:
    """Return the names in an expression of ``-m``, also those after ``not``."""
    return set(re.findall(r"\w+", expression))


def leave_out(config: pytest.Config, items: list[pytest.Item], marks: Iterable[str]) -> None:
    """Deselect tests with costly marks, unless ``-m`` names the mark.

    A project's settings cannot do this: ``-m`` on the command line replaces one in the settings, and pytest may read
    the settings of another folder.
    """
    named = named_marks(config.option.markexpr)
    idle = [mark for mark in marks if mark not in named]
    deselect(config, items, [item for item in items if any(item.get_closest_marker(mark) for mark in idle)])


def deselect(config: pytest.Config, items: list[pytest.Item], left_out: Collection[pytest.Item]) -> None:
    """Take tests out of a run, and report them to pytest as deselected."""
    if left_out:
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=list(left_out))
