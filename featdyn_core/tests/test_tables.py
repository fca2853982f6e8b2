"""Fields follow their annotations at any depth, and errors name the place."""

import enum
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.tables import SHOWN, build, check_names, explicit, fields, read, unknown


class Role(enum.StrEnum):
    """Words that a field may have."""

    DECIDES = "decides"
    CONTROL = "control"


@dataclass(frozen=True)
class Inner:
    """A part."""

    ends: tuple[int, ...]
    window: str = ""


@dataclass(frozen=True)
class Outer:
    """One field of every kind that annotations may have."""

    text: str = ""
    flag: bool = False
    count: int = 0
    number: float = 0.0
    anything: Any = None
    role: Role = Role.DECIDES
    inner: Inner = Inner((0, 1))
    perhaps: Inner | None = None
    limit: int | None = None
    names: dict[str, list[float]] = field(default_factory=dict)
    roles: dict[Role, tuple[str, ...]] = field(default_factory=dict)
    gaps: list[float | None] = field(default_factory=list)
    parts: list[Inner] = field(default_factory=list)
    duties: tuple[Role, ...] = ()
    source: str = field(default="", compare=False, kw_only=True)


INNER = Inner((0, 1))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, {}),
        ({"text": "é", "flag": True, "count": -1}, {"text": "é", "flag": True, "count": -1}),
        ({"anything": {"a": [None, {}]}}, {"anything": {"a": [None, {}]}}),
        ({"role": "control"}, {"role": Role.CONTROL}),
        ({"role": Role.CONTROL, "inner": INNER, "perhaps": INNER}, {"role": Role.CONTROL, "perhaps": INNER}),
        ({"inner": {"ends": [], "window": "late"}}, {"inner": Inner((), "late")}),
        ({"perhaps": {"ends": [2]}, "limit": 3}, {"perhaps": Inner((2,)), "limit": 3}),
        ({"perhaps": None, "limit": None}, {}),
        ({"names": {"a": [1, 2.5], "b": []}}, {"names": {"a": [1.0, 2.5], "b": []}}),
        ({"roles": {"control": ["x"], "decides": ()}}, {"roles": {Role.CONTROL: ("x",), Role.DECIDES: ()}}),
        ({"gaps": [None, 1, math.inf]}, {"gaps": [None, 1.0, math.inf]}),
        ({"parts": [{"ends": [1]}, INNER]}, {"parts": [Inner((1,)), INNER]}),
        ({"duties": ["control", "control"]}, {"duties": (Role.CONTROL, Role.CONTROL)}),
        ({"duties": [Role.CONTROL, "decides"]}, {"duties": (Role.CONTROL, Role.DECIDES)}),
    ],
    ids=str,
)
def test_a_table_becomes_what_the_annotations_say(table, expected):
    assert build(Outer, table, "here") == Outer(**expected)


def test_a_whole_number_becomes_a_float_where_one_is_asked_for():
    found = build(Outer, {"number": 3, "count": 3, "gaps": [3]}, "here")
    assert (type(found.number), type(found.count), type(found.gaps[0])) == (float, int, float)


MISFITS = {
    "no member of a list": ({"duties": ["control", "none"]}, "duties, item 2: expected one of decides, control"),
    "no text for a member": ({"duties": ["control", []]}, "duties, item 2: expected one of decides, control"),
    "number for text": ({"text": 3}, "text: expected str, found 3"),
    "nothing for text": ({"text": None}, "text: expected str, found None"),
    "number for a truth value": ({"flag": 1}, "flag: expected bool, found 1"),
    "truth value for an integer": ({"count": True}, "count: expected int, found True"),
    "float for an integer": ({"count": 1.0}, "count: expected int, found 1.0"),
    "truth value for a float": ({"number": True}, "number: expected float, found True"),
    "text for a float": ({"number": "1"}, "number: expected float, found '1'"),
    "too large": ({"number": 10**400}, "number: expected float, found an integer that is too large for one"),
    "no word": ({"role": "decide"}, "role: expected one of decides, control, found 'decide'"),
    "list for a word": ({"role": []}, "role: expected one of decides, control, found []"),
    "list for a table": ({"inner": [0, 1]}, "inner: expected a table, found [0, 1]"),
    "text for a list": ({"inner": {"ends": "01"}}, "inner, ends: expected a list of int, found '01'"),
    "text in a list": ({"inner": {"ends": [0, "1"]}}, "inner, ends, item 2: expected int, found '1'"),
    "nothing in a list": ({"inner": {"ends": [None]}}, "inner, ends, item 1: expected int, found None"),
    "field left out": ({"inner": {}}, "inner: field 'ends' is missing"),
    "unknown field": (
        {"inner": {"ends": [], "windw": ""}},
        "inner: unknown field 'windw'; did you mean 'window'? its fields are ends, window",
    ),
    "field of the code": ({"source": "x"}, "unknown field 'source'; its fields are text, flag"),
    "one of two": ({"limit": "3"}, "limit: expected int, found '3'"),
    "inside one of two": ({"perhaps": {"ends": [""]}}, "perhaps, ends, item 1: expected int, found ''"),
    "list for a dictionary": ({"names": [1.0]}, "names: expected a table, found [1.0]"),
    "key that is no text": ({"names": {1: [1.0]}}, "names, names: expected str, found 1"),
    "key that is no word": ({"roles": {"decide": []}}, "roles, names: expected one of decides"),
    "number for a list": ({"names": {"a": 1.0}}, "names, a: expected a list of float, found 1.0"),
    "text among numbers": ({"names": {"a": [1.0, "b"]}}, "names, a, item 2: expected float, found 'b'"),
    "list among numbers": ({"gaps": [[1.0]]}, "gaps, item 1: expected float, found [1.0]"),
    "number among tables": ({"parts": [INNER, 3]}, "parts, item 2: expected a table, found 3"),
    "text for tables": ({"parts": "x"}, "parts: expected a list of tables, found 'x'"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_reported_with_its_place(name):
    table, message = MISFITS[name]
    with pytest.raises(RecipeError) as found:
        build(Outer, table, "recipe 'x'")
    place, _, _ = str(found.value).partition(message)
    assert place in ("recipe 'x', ", "recipe 'x': ")
    assert message in str(found.value)


@pytest.mark.parametrize("hint", [list[list[float]], list[dict[str, float]], list[tuple[float, ...]]], ids=str)
def test_numbers_are_no_lists_or_tables_of_numbers(hint):
    with pytest.raises(RecipeError, match=r"^here, item 1: expected a (list|table)"):
        read(hint, [1.0], "here")


@pytest.mark.parametrize("table", [None, 3, "text", [("ends", [1])]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(RecipeError, match=r"^here: expected a table, found "):
        build(Inner, table, "here")


def test_what_is_given_does_not_stand_in_the_table():
    assert build(Inner, {"ends": [1]}, "here", window="late") == Inner((1,), "late")
    with pytest.raises(RecipeError, match=r"^here: unknown field 'window'; its fields are ends$"):
        build(Inner, {"ends": [1], "window": "early"}, "here", window="late")
    with pytest.raises(RecipeError, match=r"^here, window: expected str, found 3"):
        build(Inner, {"ends": [1]}, "here", window=3)


def test_what_is_long_is_shortened():
    for table in ({"text": [1] * 1000}, {"x" * 1000: 1}, {"names": {"x" * 1000: 1}}):
        with pytest.raises(RecipeError) as found:
            build(Outer, table, "here")
        assert "…" in str(found.value)
        assert len(str(found.value)) < 2 * SHOWN


def test_a_value_alone_is_read_by_its_annotation():
    assert read(dict[str, tuple[int, ...]], {"a": [1]}, "here") == {"a": (1,)}
    assert read(Role, "control", "here") is Role.CONTROL
    with pytest.raises(RecipeError, match=r"^here, a, item 1: expected int, found 'x'"):
        read(dict[str, tuple[int, ...]], {"a": ["x"]}, "here")


def test_an_unsupported_annotation_is_an_error_of_the_code():
    with pytest.raises(TypeError, match="of two kinds the second can be None alone"):
        read(int | str, 3, "here")


@pytest.mark.parametrize(
    ("name", "guess"),
    [("papr", "'paper'"), ("PAPER", "'paper'"), ("smal", "'small'"), ("x", ""), ("", ""), ("small-" * 50, "")],
)
def test_the_nearest_name_is_offered_if_one_is_near(name, guess):
    message = unknown("scale", name, ["small", "paper"], "there are")
    assert message.startswith("unknown scale '")
    assert message.endswith("there are small, paper")
    assert (f"did you mean {guess}? there" in message) if guess else ("did you mean" not in message)


def test_without_a_known_name_the_message_says_so():
    assert unknown("arm", "clean", [], "the claim has") == "unknown arm 'clean'; the claim has none"


def test_names_alone_are_checked():
    check_names({"a": 1}, ["a", "b"], "here")
    with pytest.raises(RecipeError, match=r"^here: unknown field 'c'; its fields are a, b$"):
        check_names({"a": 1, "c": 2}, ["a", "b"], "here")


def test_a_dataclass_gives_what_differs_from_its_defaults():
    assert explicit(Outer(text="x", names={"a": [1.0]}, inner=INNER)) == {"text": "x", "names": {"a": [1.0]}}
    assert explicit(Inner((1,))) == {"ends": (1,)}
    assert explicit("text") == "text"
    assert list(fields(Inner)) == ["ends", "window"]
    assert "source" not in fields(Outer)
