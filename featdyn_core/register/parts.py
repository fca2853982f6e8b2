"""Read the parts that several tables of a claim's file share: windows and criteria."""

from typing import Any

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import RecipeError
from featdyn_core.register.asked import Asked
from featdyn_core.register.register import Window
from featdyn_core.tables import read, unknown
from featdyn_core.verdicts.criterion import Role

ROLES = {"decides": Role.DECIDES, "controls": Role.CONTROL, "reported": Role.REPORTED}
"""Names of the tables of criteria in a claim's file, to their roles."""


def read_windows(tables: Any, where: str) -> dict[str, dict[str, Window]]:
    """Read windows, each a list of its first and last epoch, by scale or subject and name.

    A window that is not a span of epochs is a ``RecipeError``.
    """
    found: dict[str, dict[str, Window]] = {}
    for place, named in read(dict[str, dict[str, tuple[int, ...]]], tables, where).items():
        for name, epochs in named.items():
            found.setdefault(place, {})[name] = read_window(epochs, f"{where}, {place}, {name}")
    return found


def read_window(epochs: tuple[int, ...], where: str) -> Window:
    """Read one window.

    Raises:
        RecipeError: it is not a span of epochs.
    """
    if len(epochs) != 2 or not 0 <= epochs[0] < epochs[1]:
        raise RecipeError(f"{where}: {list(epochs)} is not a span of epochs [first, last]")
    return Window(*epochs)


def read_criteria(tables: Any, where: str) -> dict[str, Asked]:
    """Read the criteria of one role.

    Raises:
        RecipeError: a criterion has no bound or two, or names an unknown split.
    """
    found: dict[str, Asked] = read(dict[str, Asked], tables, where)
    for name, asked in found.items():
        if len(asked.bounds) != 1:
            raise RecipeError(f"{where}, {name}: it needs one bound: above, below or within")
        if asked.on and asked.on not in SPLITS:
            raise RecipeError(f"{where}, {name}, on: {unknown('split', asked.on, SPLITS, 'the splits are')}")
    return found
