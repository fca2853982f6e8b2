"""Published records for notebooks and scripts, found by the words of the register: claim, record, subject and seed."""

import functools
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.harness.laboratory import run_of
from featdyn_core.harness.plan import Cell, cells
from featdyn_core.project import records_folder, register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.store.published import published
from featdyn_core.tables import unknown
from featdyn_core.verdicts.evidence import row_id


def read_record(claim: str, record: str, *, subject: str, scale: str, seed: int, arm: str = "clean") -> Any:
    """Return a published record of one seed, as the claim sees it.

    Records come from the project of the working directory, and are read without torch. An unpublished record is a
    ``MissingRecordError``, a damaged one a ``DamagedRecordError``, and a record or an arm that the
    register does not name a ``MeasurementError``.

    Args:
        claim: its id, such as ``memory-window``.
        record: its name in the claim's register file, such as ``column``.
        subject: the data set, such as ``digits``.
        scale: scale of the register, such as ``small``.
        seed: one of the row's training seeds.
        arm: arm of the claim's recipes.

    Returns:
        The view of the kind of record, such as a ``Column``. If a record has several splits, a dictionary of split
        (``held-out``, ``training``) to view; if it has several deep epochs, such a dictionary by epoch.

    Raises:
        RecipeError: the register has no such claim, scale, row or seed.

    Examples:
        >>> columns = read_record("memory-window", "column", subject="digits", scale="small", seed=30)
        >>> columns["held-out"].deep, columns["held-out"].agreement[:, 0].tolist()
        (28, [0.988, 0.988, 0.994])
    """
    rows = _rows(register_folder(), scale)
    name = row_id(claim, scale, subject, replayed=False)
    if name not in rows:
        raise RecipeError(unknown("row", name, rows, f"those of the scale {scale!r} are"))
    cell = rows[name]
    if seed not in cell.seeds:
        raise RecipeError(f"the row {name} has no seed {seed}; it has {', '.join(map(str, cell.seeds))}")
    views = run_of(cell, seed, published(records_folder() / scale).get, {}).read(record, arm)
    return views[""] if set(views) == {""} else views


@functools.cache  # a script asks for one record a seed
def _rows(register: Path, scale: str) -> dict[str, Cell]:
    """Return the rows of a scale by id."""
    return {row.id: row for row in cells(load_register(register), scale)}
