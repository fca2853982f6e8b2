"""Whether the fields of what was read from a file are of the kinds that their dataclass says."""

import contextlib
import dataclasses
import sys
import typing
from collections.abc import Iterator
from typing import Any

from featdyn_core.errors import RecipeError


def check_fields(item: Any) -> None:
    """Refuse an instance of a dataclass with a value that its annotations do not allow, at any depth.

    Annotations may be str, bool, int, float, Any, enumerations, dataclasses, and lists, tuples of one kind and
    dictionaries of them. A truth value is no number, and a whole number is a float if it is not too large for one.

    Raises:
        ValueError: names the field and what it holds.
    """
    for name, kind in _kinds(type(item)).items():
        value = getattr(item, name)
        if not _fits(value, kind):
            shown = repr(value)
            raise ValueError(f"{name} = {shown if len(shown) < 80 else shown[:80] + '…'} is not what it should be")


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Say where in the register a table is not of the form that the code inside expects."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecipeError(f"{where}: a field is missing, unknown or of the wrong kind: {error}") from error


def _kinds(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is float:
        return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
    if kind is int:
        return type(value) is int
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, inside[0]) and _fits(item, inside[1]) for key, item in value.items()
        )
    if origin in (list, tuple):
        return isinstance(value, origin) and all(_fits(item, inside[0]) for item in value)
    if not isinstance(value, kind):
        return False
    inner = _kinds(kind) if dataclasses.is_dataclass(value) else {}
    return all(_fits(getattr(value, name), part) for name, part in inner.items())
