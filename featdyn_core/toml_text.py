"""Writer for TOML, because Python's tomllib only reads it."""

import json
import re
from collections.abc import Mapping
from typing import Any


def toml_text(document: Mapping[str, Any]) -> str:
    """Return a document of tables, lists, text, numbers and truth values as TOML.

    Args:
        document: name to value; nested tables come last, each under its own heading.
    """
    return "\n".join(_lines(document, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = ["", f"[{'.'.join(map(_name, place))}]"] if place and (plain or not table) else []
    lines += [f"{_name(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*place, name))
    return lines


def _name(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_name(name)} = {_value(item)}' for name, item in value.items())} }}"
    if isinstance(value, float):
        return repr(value)
    # JSON writes text, integers and truth values as TOML does, except for one character that TOML requires escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
