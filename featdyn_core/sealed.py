"""Sealed documents of many items: an item to a line, and what items repeat once.

A document says itself how its items are to be read:

- ``shared`` has a table for each of some paths: an item has a number there, which counts the table's entries from 0.
- ``columns`` are paths at which a list of objects stands as one list a field, with null where an object lacks it.

A path leads from an item inwards: names of fields, joined by dots, and ``*`` for every entry of a list or every field
of an object. ``curves.*.x`` is the field ``x`` of each curve. The entries of a table may have numbers in their turn, of
a longer path.
"""

import functools
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from featdyn_core.files import json_digest
from featdyn_core.tables import shown

SEAL = "seal"
"""Field of a document with the hex sha256 of what the others say."""

_COLUMNS, _SHARED = "columns", "shared"


def seal_lines(
    content: Mapping[str, Any], items: str, *, columns: Collection[str] = (), shared: Collection[str] = ()
) -> bytes:
    """Return a document as JSON, an item and an entry of a table to a line, with a seal of what it says.

    The seal holds however the document is spaced, so that it is quickly compared. A number that is not finite becomes
    null.

    Args:
        content: the document; ``columns``, ``shared`` and ``seal`` are no fields of its own.
        items: name of its list of items.
        columns: paths of lists of objects that have much the same fields. Null counts as a field that is missing.
        shared: paths of values that are repeated.
    """
    facts = finite({name: value for name, value in content.items() if name not in (items, _COLUMNS, _SHARED, SEAL)})
    listed = finite(content[items])
    for path in sorted(columns, key=_inwards):
        listed = [_along(item, path.split("."), _in_columns) for item in listed]
    tables: dict[str, list[Any]] = {}
    for path in sorted(shared, key=_inwards, reverse=True):
        number = _Numbers()
        listed = [_along(item, path.split("."), number) for item in listed]
        tables |= {path: number.values} if number.values else {}
    how = {_COLUMNS: list(columns), _SHARED: tables}
    document = facts | {name: value for name, value in how.items() if value} | {items: listed}
    return _text(document | {SEAL: json_digest(document)}, items)


def unseal_lines(document: Mapping[str, Any], items: str) -> dict[str, Any]:
    """Return the content of a document that ``seal_lines`` wrote, parsed. What items share is one object: change none.

    Raises:
        ValueError: it says something else than what was written, or has a number that leads to no entry of its table.
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
    """Return what JSON has words for: a number that is not finite becomes null."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _inwards(path: str) -> tuple[int, str]:
    """Return what paths are sorted by, so that no path leads through what an earlier one tells."""
    return path.count("."), path


def _along(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    """Return a value with what lies at a path of it changed; what has no such place is returned as it is."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if step == "*" and isinstance(value, list):
        return [_along(part, rest, change) for part in value]
    if step == "*" and isinstance(value, dict):
        return {name: _along(part, rest, change) for name, part in value.items()}
    if isinstance(value, dict) and step in value:
        return {**value, step: _along(value[step], rest, change)}
    return value


class _Numbers:
    """Numbers of values in the order in which they first occur; null has none, and stands for itself."""

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
        ValueError: there is none of this number.
    """
    if number is None:
        return None
    if type(number) is int and 0 <= number < len(table):
        return table[number]
    raise ValueError(f"{shown(number)} is no number of an entry, of which its table has {len(table)}")


def _in_columns(value: Any) -> Any:
    """Return a list of objects as an object of lists; anything else as it is."""
    if not (isinstance(value, list) and any(value) and all(isinstance(one, dict) for one in value)):
        return value
    names = dict.fromkeys(name for one in value for name in one)
    return {name: [one.get(name) for one in value] for name in names}


def _in_rows(value: Any) -> Any:
    """Return an object of lists as a list of objects; a list, which was no list of objects, as it is.

    Raises:
        ValueError: the lists are none, or not of one length.
    """
    if not isinstance(value, dict):
        return value
    if not all(isinstance(column, list) for column in value.values()) or len(set(map(len, value.values()))) != 1:
        raise ValueError("its columns are not lists of one length")
    rows = zip(*value.values(), strict=True)
    return [{name: cell for name, cell in zip(value, row, strict=True) if cell is not None} for row in rows]


def _check(listed: Any, columns: Any, tables: Any, items: str) -> None:
    """Refuse what is none of the fields of a document.

    Raises:
        ValueError: names the field.
    """
    if not isinstance(listed, list):
        raise ValueError(f"{items!r} is no list")
    if not (isinstance(columns, list) and all(isinstance(path, str) for path in columns)):
        raise ValueError(f"{_COLUMNS!r} is no list of paths")
    if not (isinstance(tables, dict) and all(isinstance(table, list) for table in tables.values())):
        raise ValueError(f"{_SHARED!r} has no list for each of its paths")


def _unpacked(item: Any, steps: Iterable[tuple[str, Callable[[Any], Any]]], where: str) -> Any:
    """Return an item with each step taken at its path.

    Raises:
        ValueError: one cannot be; says where.
    """
    for path, change in steps:
        try:
            item = _along(item, path.split("."), change)
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
