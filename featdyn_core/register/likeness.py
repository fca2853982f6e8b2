"""Scales that are judged like another row: claims' files do not name them, and they take the values of that row.

A scale with ``like = "reduced/cifar10"`` gives its subjects the bounds, margins, arms and numbers of that row, wherever
a claim's file does not name them. It has its own windows, because the epochs of a window differ between trainings. So a
network that somebody trained elsewhere is judged by the unedited claims. If ``shared`` in ``scales.toml`` gives a
subject another list than the row has, such as the depths of a network with other cuts, this list replaces the row's
everywhere.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.register.parts import ROLES, read_window
from featdyn_core.register.register import Scale, at
from featdyn_core.tables import shown

Table = dict[str, Any]


def check_likeness(scale: Scale, where: str) -> None:
    """Refuse a scale without ``like`` that has fields of a scale with ``like``, and wrong windows.

    Args:
        scale: a scale of the register.
        where: its name, with which errors begin.

    Raises:
        RecipeError: it is refused.
    """
    if scale.like and not all(scale.model):
        raise RecipeError(
            f"{where}, like: {shown(scale.like)} is not a row; write scale/subject, such as reduced/cifar10"
        )
    if not scale.like and (scale.windows or scale.claims):
        raise RecipeError(f"{where}: only a scale that is like a row has windows and claims; add that row as like = …")
    for subject, windows in scale.windows.items():
        for name, epochs in windows.items():
            read_window(epochs, f"{where}, windows, {subject}, {name}")


def completed(document: Table, scale: Scale, shared: Mapping[str, Any], where: str) -> Table:
    """Return a claim's document in which the subjects of a scale have the values of the row that it is like.

    The document stays unchanged if the scale is like no row, if the claim is not about that row, or if the scale leaves
    the claim out. Values of a wrong type are reported when the claim is read. A window that the claim needs and the
    scale lacks is a ``RecipeError``.

    Args:
        document: content of the claim's file.
        scale: a scale of the register.
        shared: numbers that claims share, already for this scale (see ``completed_numbers``).
        where: name of the claim, with which errors begin.
    """
    listed = _list(document, "subjects")
    if not scale.like or not _is_asked(document, scale, where):
        return document
    found = copy.deepcopy(document)
    found["subjects"] = [*listed, *(own for own in scale.recipes if own not in listed)]
    if found.get("scales"):
        found["scales"] = [*found["scales"], scale.name]
    for own in scale.recipes:
        _name_windows(found, scale, own, where)
        lists = _renamed(shared, scale.model, own)
        for part in ("arms", "protocol", *ROLES):
            _complete(found.get(part), scale.model, own, lists)
        for alternatives in _table(found, "multiverse").values():
            for alternative in alternatives.values() if isinstance(alternatives, dict) else ():
                _move_windows(alternative, _table(document, "windows"), scale, own)
                for part in ("protocol", "records", "criteria"):
                    _complete(_table(alternative, part), scale.model, own, lists)
    for asked in (asked for role in ROLES for asked in _table(found, role).values()):
        if scale.model[0] in _list(asked, "reported"):
            asked["reported"] = [*asked["reported"], scale.name]
    return found


def completed_numbers(shared: Mapping[str, Any], scale: Scale) -> Table:
    """Return the shared numbers, in which the subjects of a scale have the values of the row that it is like."""
    found: Table = copy.deepcopy(dict(shared))
    for own in scale.recipes if scale.like else ():
        _complete(found, scale.model, own)
    return found


def _is_asked(document: Table, scale: Scale, where: str) -> bool:
    """Whether a claim is about the row that a scale is like, and the scale includes the claim."""
    name, subject = scale.model
    about = subject in _list(document, "subjects") and name in (_list(document, "scales") or [name])
    claim = where.removeprefix("claim ").strip("'")
    return about and (not scale.claims or claim in scale.claims)


def _name_windows(found: Table, scale: Scale, own: str, where: str) -> None:
    """Give a subject the windows of a claim, with the epochs from its scale.

    Raises:
        RecipeError: the scale lacks one of them.
    """
    windows = _table(found, "windows")
    wanted = windows.get(scale.model[1]) or windows.get(scale.model[0], {})
    if own in windows or not wanted:
        return
    given = scale.windows.get(own, {})
    if lacking := [name for name in wanted if name not in given]:
        raise RecipeError(
            f"scale {scale.name!r}, windows, {own}: {where} needs the window {shown(lacking[0])}; give its epochs"
        )
    windows[own] = {name: list(given[name]) for name in wanted}


def _complete(table: Any, model: tuple[str, str], own: str, lists: Sequence[tuple[Any, Any]] = ()) -> None:
    """Add a subject to each table by scale or subject that has the row it is like, at any depth.

    ``lists`` holds lists of that row, each with the subject's own list.
    """
    if not isinstance(table, dict):
        return
    name, subject = model
    if own not in table and (subject in table or name in table):
        theirs = table.get(subject, table.get(name))
        table[own] = copy.deepcopy(next((ours for known, ours in lists if known == theirs), theirs))
    for value in table.values():
        _complete(value, model, own, lists)


def _renamed(shared: Mapping[str, Any], model: tuple[str, str], own: str) -> list[tuple[Any, Any]]:
    """Return the shared lists of the row that a subject is like, each with the subject's own if it differs."""
    pairs = [(at(value, *model), at(value, model[0], own)) for value in shared.values()]
    return [(theirs, ours) for theirs, ours in pairs if isinstance(theirs, list) and theirs != ours]


def _move_windows(alternative: Any, registered: Mapping[str, Any], scale: Scale, own: str) -> None:
    """Give an alternative's windows to a subject, in proportion to the registered windows."""
    named = _table(alternative, "windows")
    if not named or own in named:
        return
    name, subject = scale.model
    usual, wanted = (table.get(subject) or table.get(name, {}) for table in (registered, named))
    if moved := {
        window: _moved(epochs, usual[window], scale.windows.get(own, {})[window])
        for window, epochs in wanted.items()
        if window in usual and window in scale.windows.get(own, {})
    }:
        named[own] = moved


def _table(holder: Any, name: str) -> Table:
    """Return a table inside a table; an empty one if there is none."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def _list(holder: Any, name: str) -> list[Any]:
    """Return a list inside a table; an empty one if there is none."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []


def _moved(epochs: list[int], usual: list[int], own: tuple[int, ...]) -> list[int]:
    """Return the ends of a window moved into another span of epochs, rounded to whole epochs."""
    start, length = usual[0], usual[1] - usual[0]
    return [round(own[0] + (epoch - start) / length * (own[1] - own[0])) for epoch in epochs]
