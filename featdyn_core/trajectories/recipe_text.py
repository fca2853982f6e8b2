"""A recipe's text: TOML, read within generous limits."""

import itertools
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.files import read_text, visible
from featdyn_core.tables import shortened, shown

INTEGERS = range(-(2**63), 2**63)
"""Number of bits that TOML guarantees for integers; longer ones cannot be printed or used."""

MOST_LEVELS = 8
"""Largest depth of nested tables and lists; recipes have four levels."""

MOST_CHECKPOINTS = 100_000
"""Largest number of checkpoints: a hundred times those of the paper's training with one an epoch."""


def read_document(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        RecipeError: it cannot be read, or is not a TOML file.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror or error}); make it readable") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not a TOML file: {error}; save it as UTF-8") from error
    if text.startswith("\ufeff"):
        raise RecipeError(
            f"{path} begins with a byte order mark (BOM), which TOML does not allow; save it as UTF-8 without it"
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from error
    except ValueError as error:  # raised by Python for the conversion of too many digits
        raise RecipeError(f"{path}: an integer of more than 64 bits; write a smaller one") from error
    except RecursionError as error:
        raise RecipeError(f"{path}: {_deep()}") from error


def find_document(path: Path, called: str) -> dict[str, Any]:
    """Return the content of a recipe's file.

    Raises:
        RecipeError: there is no such recipe; names the existing ones.
    """
    if not os.path.isfile(path):  # unlike Path.is_file, this never raises an error
        known = ", ".join(file.stem for file in visible(path.parent, "*.toml")) or "none"
        raise RecipeError(f"unknown recipe {shown(called)}; {path.parent} holds: {known}")
    return read_document(path)


def inherit(parent: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return a document with the parent's value for every field that a table leaves out."""
    tables = {
        name: {**parent[name], **values} if isinstance(values, dict) and isinstance(parent.get(name), dict) else values
        for name, values in own.items()
    }
    return {**parent, **tables}


def check_plain(value: Any, where: str, levels: int = MOST_LEVELS) -> None:
    """Refuse values that JSON cannot express, integers beyond 64 bits, and endless nesting.

    Raises:
        RecipeError: names the place.
    """
    if levels < 0:
        raise RecipeError(f"{where}: {_deep()}")
    if isinstance(value, dict):
        for name, item in value.items():
            check_plain(item, f"{where}, {shortened(str(name))}", levels - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_plain(item, where, levels - 1)
    elif type(value) is int:
        if value not in INTEGERS:
            raise RecipeError(f"{where}: an integer of more than 64 bits; write a smaller one")
    elif value is not None and type(value) not in (bool, float, str):
        raise RecipeError(
            f"{where}: {shown(value)} is a {type(value).__name__}; write a number, text, true or false, or a list"
        )


def as_written(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of a recipe (see ``Recipe.to_dict``) in the form of a recipe's file."""
    network, training = tables["network"], tables["training"]
    return tables | {
        "network": {"name": network["name"], **network.get("options", {})},
        "training": {**training, "checkpoints": _ranges(training["checkpoints"])},
    }


def _ranges(epochs: Sequence[int]) -> list[list[int]]:
    steps = {later - earlier for earlier, later in itertools.pairwise(epochs)}
    if len(steps) == 1:
        return [[epochs[0], epochs[-1], steps.pop()]]
    return [[epoch, epoch, 1] for epoch in epochs]


def expand_checkpoints(ranges: Any, where: str) -> tuple[int, ...]:
    """Expand [[first, last, step], ...], both ends included, to ascending distinct epochs.

    Raises:
        RecipeError: it is not such a list, or has more than ``MOST_CHECKPOINTS``.
    """
    items = ranges if isinstance(ranges, list) else [ranges]
    for item in items:
        if not _is_range(item):
            raise RecipeError(f"{where}: {shown(item)} is not [first, last, step]")
    count = sum((last - first) // step + 1 for first, last, step in items)
    if count > MOST_CHECKPOINTS:
        raise RecipeError(f"{where}: {count:,} checkpoints; keep at most {MOST_CHECKPOINTS:,} with a larger step")
    return tuple(sorted({epoch for first, last, step in items for epoch in range(first, last + 1, step)}))


def _is_range(item: Any) -> bool:
    """Whether it is [first, last, step] with first ≤ last and a positive step."""
    if not (isinstance(item, list) and len(item) == 3 and all(type(number) is int for number in item)):
        return False
    return item[0] <= item[1] and item[2] > 0


def _deep() -> str:
    return f"tables and lists inside each other, more than {MOST_LEVELS} levels deep; a recipe needs four"
