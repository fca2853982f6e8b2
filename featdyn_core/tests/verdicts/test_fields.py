"""Fields hold what annotations say, at any depth."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from featdyn_core.verdicts.claim import Role
from featdyn_core.verdicts.fields import check_fields


@dataclass
class Inner:
    """A part."""

    ends: tuple[int, ...]


@dataclass
class Outer:
    """One field of every kind that annotations may have."""

    text: str = ""
    flag: bool = False
    count: int = 0
    number: float = 0.0
    anything: Any = None
    role: Role = Role.DECIDES
    inner: Inner = field(default_factory=lambda: Inner((0, 1)))
    names: dict[str, list[float]] = field(default_factory=dict)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": "é", "flag": True, "count": -1, "number": math.nan, "anything": [object()]},
        {"number": 3, "names": {"a": [1, 2.5], "b": []}},
        {"role": Role.CONTROL, "inner": Inner(())},
    ],
)
def test_what_fits_passes(fields):
    check_fields(Outer(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"text": 3},
        {"text": None},
        {"flag": 1},
        {"count": True},
        {"count": 1.0},
        {"number": True},
        {"number": "1"},
        {"number": 10**400},
        {"role": "decides"},
        {"inner": (0, 1)},
        {"inner": Inner([0, 1])},
        {"inner": Inner((0, "1"))},
        {"names": [1.0]},
        {"names": {1: [1.0]}},
        {"names": {"a": 1.0}},
        {"names": {"a": ["b"]}},
        {"names": {"a": "b"}},
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(fields):
    (name,) = fields
    with pytest.raises(ValueError, match=f"^{name} = .* is not what it should be$"):
        check_fields(Outer(**fields))


def test_what_is_long_is_shortened():
    with pytest.raises(ValueError, match=r"^text = \[(1, ){2,26}1?…"):
        check_fields(Outer(text=[1] * 1000))
