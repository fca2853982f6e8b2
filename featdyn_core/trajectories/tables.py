"""Dataclasses from nested tables, such as TOML and JSON have, and back."""

import dataclasses
import types
import typing
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.trajectories.recipe_text import shown


def build(kind: type, values: dict[str, Any], where: str) -> Any:
    """Instantiate dataclass ``kind`` from a table, checking names and types of its fields."""
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected a table, found {shown(values)}")
    known = fields(kind)
    if unknown := sorted(set(values) - set(known)):
        raise RecipeError(f"{where}: unknown field {shown(unknown[0])}; its fields are {', '.join(known)}")
    hints = typing.get_type_hints(kind)
    arguments = {}
    for name, field in known.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name in values:
            arguments[name] = _convert(values[name], hints[name], f"{where}, {name}")
        elif required:
            raise RecipeError(f"{where}: field {name!r} is missing")
    return kind(**arguments)


def _convert(value: Any, hint: Any, where: str) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if tables := [typing.cast(type, kind) for kind in kinds if dataclasses.is_dataclass(kind)]:
        return value if isinstance(value, tables[0]) else build(tables[0], value, where)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        if all(type(item) is typing.get_args(hint)[0] for item in value):
            return tuple(value)
    elif typing.get_origin(hint) is dict or hint is dict or type(value) in kinds:
        return value
    elif float in kinds and type(value) is int:
        return float(value)
    wanted = getattr(hint, "__name__", str(hint))
    raise RecipeError(f"{where}: expected {wanted}, found {shown(value)}")


def fields(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a recipe or of a table of one that determine something, by name."""
    return {field.name: field for field in dataclasses.fields(kind) if field.compare}


def explicit(table: Any) -> Any:
    """Return the fields of a recipe's table that differ from their defaults."""
    if not dataclasses.is_dataclass(table):
        return table
    values = {field.name: (getattr(table, field.name), field) for field in dataclasses.fields(table)}
    return {name: value for name, (value, field) in values.items() if value != _default(field)}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
