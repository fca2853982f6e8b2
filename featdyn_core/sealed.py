"""Sealed documents of many items: one line for each item, and repeated values only once.

A document describes how to read its items:

- ``shared`` has a table for each shared path. At this path an item has the number of an entry, counted from 0.
- ``columns`` lists paths where a list of objects is stored as one list for each field, with null for a missing field.

A path leads from an item inwards. It has names of fields, joined by dots, and ``*`` for every entry of a list or every
field of an object. ``curves.*.x`` is the field ``x`` of each curve. The entries of a table may contain numbers of
entries too, at a longer path.
"""

import functools
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from featdyn_core.files import json_digest
from featdyn_core.tables import shown

SEAL = "seal"
"""Field of a document with the hex SHA-256 of the content of the others."""

_COLUMNS, _SHARED = "columns", "shared"


def seal_lines(
    content: Mapping[str, Any], items: str, *, columns: Collection[str] = (), shared: Collection[str] = ()
) -> bytes:
    """Return a document as JSON with a seal of its content; each item and each entry of a table has its own line.

    The seal does not depend on the spacing of the document, so it is quick to compare. A number that is not finite
    becomes null.

    Args:
        content: the document, without the fields ``columns``, ``shared`` and ``seal``.
        items: name of its list of items.
        columns: paths of lists of objects with nearly the same fields. Null counts as a missing field.
        shared: paths of repeated values.
    """
    facts = finite({name: value for name, value in content.items() if name not in (items, _COLUMNS, _SHARED, SEAL)})
    listed = finite(content[items])
    for path in sorted(columns, key=_inwards):
        listed = [along(item, path.split("."), _in_columns) for item in listed]
    tables: dict[str, list[Any]] = {}
    for path in sorted(shared, key=_inwards, reverse=True):
        number = _Numbers()
        listed = [along(item, path.split("."), number) for item in listed]
        tables |= {path: number.values} if number.values else {}
    how = {_COLUMNS: list(columns), _SHARED: tables}
    document = facts | {name: value for name, value in how.items() if value} | {items: listed}
    return _text(document | {SEAL: json_digest(document)}, items)


def unseal_lines(document: Mapping[str, Any], items: str) -> dict[str, Any]:
    """Return the parsed content of a document from ``seal_lines``. Items share objects, so do not modify them.

    Raises:
        ValueError: the content does not match the seal, or a number has no entry in its table.
    """
    content = {name: value for name, value in document.items() if name != SEAL}
    if document.get(SEAL) != json_digest(content):
        raise ValueError("its content does not match its seal: it was changed after it was written")
    columns, tables = content.pop(_COLUMNS, []), content.pop(_SHARED, {})
    _check(content.get(items), columns, tables, items)
    steps: list[tuple[str, Callable[[Any], Any]]] = [
        (path, functools.partial(_entry, tables[path])) for path in sorted(tables, key=_inwards)
    ]
    steps += [(path, _in_rows) for path in sorted(columns, key=_inwards, reverse=True)]
    content[items] = [
        _unpacked(item, steps, f"{items}, item {place}") for place, item in enumerate(content[items], start=1)
    ]
    return content


def finite(content: Any) -> Any:
    """Return a value that JSON can express: a number that is not finite becomes null."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _inwards(path: str) -> tuple[int, str]:
    """Return the sort key of paths, so that no path leads through the values of an earlier one."""
    return path.count("."), path


def along(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    """Return a value with the part at a path changed; a value without this path stays unchanged."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if step == "*" and isinstance(value, list):
        return [along(part, rest, change) for part in value]
    if step == "*" and isinstance(value, dict):
        return {name: along(part, rest, change) for name, part in value.items()}
    if isinstance(value, dict) and step in value:
        return {**value, step: along(value[step], rest, change)}
    return value


class _Numbers:
    """Numbers of values in the order of their first occurrence; null keeps no number and stays null."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[str, int] = {}

    def __call__(self, value: Any) -> int | None:
        if value is None:
            return None
        number = self._known.setdefault(_compact(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def _entry(table: Sequence[Any], number: Any) -> Any:
    """Return the entry of a table.

    Raises:
        ValueError: no entry has this number.
    """
    if number is None:
        return None
    if type(number) is int and 0 <= number < len(table):
        return table[number]
    raise ValueError(f"{shown(number)} is not the number of an entry; the table has {len(table)} entries")


def _in_columns(value: Any) -> Any:
    """Return a list of objects as an object of lists; other values stay unchanged."""
    if not (isinstance(value, list) and any(value) and all(isinstance(one, dict) for one in value)):
        return value
    names = dict.fromkeys(name for one in value for name in one)
    return {name: [one.get(name) for one in value] for name in names}


def _in_rows(value: Any) -> Any:
    """Return an object of lists as a list of objects; a plain list stays unchanged.

    Raises:
        ValueError: the values are not lists of one length.
    """
    if not isinstance(value, dict):
        return value
    if not all(isinstance(column, list) for column in value.values()) or len(set(map(len, value.values()))) != 1:
        raise ValueError("its columns are not lists of one length")
    rows = zip(*value.values(), strict=True)
    return [{name: cell for name, cell in zip(value, row, strict=True) if cell is not None} for row in rows]


def _check(listed: Any, columns: Any, tables: Any, items: str) -> None:
    """Refuse invalid fields of a document.

    Raises:
        ValueError: names the field.
    """
    if not isinstance(listed, list):
        raise ValueError(f"{items!r} is not a list")
    if not (isinstance(columns, list) and all(isinstance(path, str) for path in columns)):
        raise ValueError(f"{_COLUMNS!r} is not a list of paths")
    if not (isinstance(tables, dict) and all(isinstance(table, list) for table in tables.values())):
        raise ValueError(f"{_SHARED!r} has no list for each of its paths")


def _unpacked(item: Any, steps: Iterable[tuple[str, Callable[[Any], Any]]], where: str) -> Any:
    """Return an item after each step is applied at its path.

    Raises:
        ValueError: a step cannot be applied; names the place.
    """
    for path, change in steps:
        try:
            item = along(item, path.split("."), change)
        except ValueError as error:
            raise ValueError(f"{where}, {path}: {error}") from error
    return item


def _text(document: Mapping[str, Any], items: str) -> bytes:
    written = {name: json.dumps(value, indent=1, allow_nan=False) for name, value in document.items() if name != items}
    if _SHARED in document:
        tables = (f"{json.dumps(path)}: {_lines(table)}" for path, table in document[_SHARED].items())
        written[_SHARED] = "{\n" + ",\n".join(tables) + "\n}"
    written[items] = _lines(document[items])
    fields = (f"{json.dumps(name)}: {written[name]}" for name in document)
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode()


def _lines(values: Iterable[Any]) -> str:
    lines = ",\n".join(map(_compact, values))
    return f"[\n{lines}\n]" if lines else "[]"


def _compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
