"""Conversion of tables, as in TOML and JSON, to dataclasses and back, with a check of every name and value.

The annotation of a field defines its values: str, bool, int, float, Any, enumerations of text, dataclasses, lists,
tuples of one kind, dictionaries, and ``None`` as the alternative to one of them. A truth value is not a number. A whole
number is read as a float where the annotation is float, unless it is too large. An instance of a dataclass is accepted
unchanged.
"""

import dataclasses
import difflib
import enum
import functools
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from featdyn_core.errors import RecipeError

SHOWN = 200
"""Largest number of characters of a value that an error repeats."""

T = TypeVar("T")
Reader = Callable[[Any], Any]


class _MisfitError(Exception):
    """A value that does not match its annotation; ``place`` is its location, from the inside out."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.place: list[str] = []


def build(kind: type[T], table: Any, where: str, **given: Any) -> T:
    """Return an instance of a dataclass from a table.

    Args:
        kind: the dataclass; fields that are not compared do not belong to the table.
        table: values by names of fields.
        where: the table's place, such as ``recipe 'x'``, at the beginning of errors.
        **given: fields that are not in the table, such as the name, which is that of the file.

    Raises:
        RecipeError: it is not a table, a field is missing or unknown, or a value has the wrong kind, at any depth;
            names the place.
    """
    if not isinstance(table, dict):
        raise RecipeError(f"{where}: expected a table, found {shown(table)}")
    check_names(table, [name for name in fields(kind) if name not in given], where)
    return typing.cast(T, _placed(functools.partial(_fill, kind), {**table, **given}, where))


def read(hint: Any, value: Any, where: str) -> Any:
    """Return a value converted to an annotation; raises the errors of ``build``."""
    return _placed(_reader(hint), value, where)


def check_names(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse a table with an unknown field.

    Raises:
        RecipeError: names the field, the nearest known one, and all known ones.
    """
    if fault := _foreign(table, known):
        raise RecipeError(f"{where}: {fault}")


def unknown(what: str, name: str, known: Collection[str], listed: str) -> str:
    """Return the message for an unknown name: the nearest known name, and all known names.

    Args:
        what: kind of the name, such as ``field``.
        name: the unknown one.
        known: the known names.
        listed: words before the list, such as ``its fields are``.
    """
    alike = {each.casefold(): each for each in reversed(list(known))}
    near = difflib.get_close_matches(shortened(name).casefold(), alike, n=1)
    guess = f"did you mean {alike[near[0]]!r}? " if near else ""
    return f"unknown {what} {shown(name)}; {guess}{listed} {', '.join(known) or 'none'}"


def fields(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a dataclass that are compared, by name."""
    return {field.name: field for field in dataclasses.fields(kind) if field.compare}


def explicit(table: Any) -> Any:
    """Return the fields of a dataclass that differ from their defaults, by name; other values stay unchanged."""
    if not dataclasses.is_dataclass(table):
        return table
    values = {field.name: (getattr(table, field.name), field) for field in dataclasses.fields(table)}
    return {name: value for name, (value, field) in values.items() if value != _default(field)}


def shown(value: Any) -> str:
    """Return a value as an error repeats it: on one line, and shortened if it is long."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _foreign(table: Mapping[str, Any], known: Collection[str]) -> str:
    foreign = sorted(set(table) - set(known))
    return unknown("field", foreign[0], known, "its fields are") if foreign else ""


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _placed(reader: Reader, value: Any, where: str) -> Any:
    try:
        return reader(value)
    except _MisfitError as misfit:
        place = ", ".join([where, *map(shortened, reversed(misfit.place))])
        raise RecipeError(f"{place}: {misfit}") from None


@functools.cache  # resolve a hint once, not for each of thousands of values
def _reader(hint: Any) -> Reader:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if hint is float:
        return _number
    if origin is types.UnionType:
        return _optional(*inside)
    if origin in (list, tuple):
        return _series(origin, inside[0])
    if origin is dict:
        return _dictionary(*inside)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(_table, hint)
    if issubclass(hint, enum.StrEnum):
        return functools.partial(_member, hint)
    return functools.partial(_exactly, hint)


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise _misfit(_words(kind), value)
    return value


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise _misfit("float", value)
    if abs(value) > sys.float_info.max:
        raise _MisfitError("expected float, found an integer that is too large for one")
    return float(value)


def _member(kind: type[enum.StrEnum], value: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise _misfit(_words(kind), value) from None


def _optional(kind: Any, nothing: Any) -> Reader:
    if nothing is not types.NoneType:
        raise TypeError(f"{kind} | {nothing}: of two kinds the second can be None alone")
    inner = _reader(kind)
    return lambda value: None if value is None else inner(value)


def _series(kind: type, item: Any) -> Reader:
    inner = _reader(item)
    kinds = typing.get_args(item) if typing.get_origin(item) is types.UnionType else [item]
    plain = {str, bool, int, float, types.NoneType}.intersection(kinds)
    words = isinstance(item, type) and issubclass(item, enum.StrEnum)
    members = {str(one): one for one in item} if words else {}

    def reader(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _misfit(f"a list of {_words(item)}", value)
        found = set(map(type, value))  # fast paths: evidence has lists of thousands of numbers and verdicts
        if found <= plain:
            return kind(value)
        if members and found == {str} and members.keys() >= set(value):
            return kind(map(members.__getitem__, value))
        return kind([_inside(inner, part, f"item {place}") for place, part in enumerate(value, start=1)])

    return reader


def _dictionary(key: Any, item: Any) -> Reader:
    names, inner = _reader(key), _reader(item)

    def reader(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _misfit("a table", value)
        return {_inside(names, name, "names"): _inside(inner, part, str(name)) for name, part in value.items()}

    return reader


def _table(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise _misfit("a table", value)
    if fault := _foreign(value, _fields(kind)):
        raise _MisfitError(fault)
    return _fill(kind, value)


def _fill(kind: Any, values: dict[str, Any]) -> Any:
    """Return an instance from fields with known names.

    Raises:
        _MisfitError: a field is missing, or a value does not match its annotation.
    """
    arguments = {}
    for name, (reader, required) in _fields(kind).items():
        if name in values:
            arguments[name] = _inside(reader, values[name], name)
        elif required:
            raise _MisfitError(f"field {name!r} is missing")
    return kind(**arguments)


@functools.cache
def _fields(kind: type) -> dict[str, tuple[Reader, bool]]:
    """Return the reader of each field by name, and whether the field has no default."""
    hints, missing = typing.get_type_hints(kind), dataclasses.MISSING
    return {
        name: (_reader(hints[name]), field.default is missing and field.default_factory is missing)
        for name, field in fields(kind).items()
    }


def _inside(reader: Reader, value: Any, name: str) -> Any:
    try:
        return reader(value)
    except _MisfitError as misfit:
        misfit.place.append(name)
        raise


def _misfit(expected: str, value: Any) -> _MisfitError:
    return _MisfitError(f"expected {expected}, found {shown(value)}")


def _words(hint: Any) -> str:
    """Return the wording of an annotation for errors."""
    origin = typing.get_origin(hint)
    if origin in (list, tuple):
        return "lists"
    if origin is dict or dataclasses.is_dataclass(hint):
        return "tables"
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return f"one of {', '.join(hint)}"
    return str(getattr(hint, "__name__", hint))
