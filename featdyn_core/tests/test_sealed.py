"""Sealed documents of many items: reading, writing, and forgeries."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featdyn_core.files import json_digest
from featdyn_core.sealed import SEAL, seal_lines, unseal_lines
from featdyn_core.tests.store.test_documents import JSON, standard

PUBLISHED = [Path(__file__).parents[2] / folder for folder in ("evidence", "fixtures/records")]

LARGEST = 1_500_000
"""Bytes of a published document at most: what a person's tools still show, compare and keep in git."""

FIELDS = ("a", "b", "shared", "columns", "seal")
ITEMS = st.lists(JSON | st.dictionaries(st.sampled_from(FIELDS), st.lists(JSON) | JSON))
TELL = {"columns": ["list"], "shared": ["a", "a.*", "b", "*.a", "list.same.*"]}
"""How items are told: of those drawn some have such places, and some have not."""


def told(items, **how):
    """Return items as a sealed document, parsed as other languages do, and its content."""
    document = standard(seal_lines({"items": items}, "items", **how))
    return document, unseal_lines(document, "items")["items"]


@given(st.dictionaries(st.text(), JSON), ITEMS)
def test_lines_give_back_what_was_written_however_spaced(rest, items):
    content = {name: value for name, value in rest.items() if name not in FIELDS} | {"items": items}
    for how in ({}, {"shared": TELL["shared"]}):
        text = seal_lines(content, "items", **how)
        assert unseal_lines(standard(text), "items") == content
        assert unseal_lines(standard(json.dumps(standard(text), indent=4).encode()), "items") == content


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), st.integers() | st.text() | st.lists(st.none()), min_size=1)))
def test_columns_give_back_what_was_written(objects):
    items = [{"list": objects}, {"list": []}, {"list": [3, {"a": 1}]}, {"list": [{}]}, {"list": "text"}, 3]
    document, found = told(items, **TELL)
    assert found == items
    assert isinstance(document["items"][0]["list"], dict if objects else list)


def test_what_items_share_is_once_in_a_table():
    items = [{"a": "some images", "list": [{"same": [1.5], "own": place}, {"own": -place}]} for place in range(3)]
    document, found = told(items, **TELL)
    assert found == items
    assert document["shared"] == {"list.same.*": [[1.5]], "a": ["some images"]}
    assert document["columns"] == ["list"]
    assert document["items"][2] == {"a": 0, "list": {"same": [0, None], "own": [2, -2]}}


def test_entries_of_a_table_may_share_too():
    items = [{"a": ["x", "y"]}, {"a": ["y", "y"]}, {"a": ["x", "y"]}, {"a": None}]
    document, found = told(items, shared=["a", "a.*"])
    assert found == items
    assert document["shared"] == {"a.*": ["x", "y"], "a": [[0, 1], [1, 1]]}
    assert document["items"] == [{"a": 0}, {"a": 1}, {"a": 0}, {"a": None}]


def test_values_that_are_alike_and_not_the_same_stay_apart():
    items = [{"a": value} for value in (1, 1.0, True, "1", [1], {"x": 1, "y": 2}, {"y": 2, "x": 1})]
    _, found = told(items, shared=["a"])
    assert list(map(repr, found)) == list(map(repr, items))


def test_each_item_and_each_entry_is_a_line():
    items = [{"a": [1, "\n"], "b": place} for place in range(2)]
    text = seal_lines({"fact": [1, 2], "items": items}, "items", shared=["a"]).decode()
    lines = text.splitlines()
    assert '[1,"\\n"]' in lines
    assert lines[-5:-2] == ['{"a":0,"b":0},', '{"a":0,"b":1}', "],"]
    assert text.endswith("}\n")


def test_a_number_that_is_not_finite_becomes_null_in_lines():
    assert told([{"a": math.inf, "b": (math.nan, 1)}], shared=["a"])[1] == [{"a": None, "b": [None, 1]}]


@given(st.lists(JSON, min_size=1), JSON)
def test_another_item_breaks_the_seal_of_lines(items, other):
    document = standard(seal_lines({"items": items}, "items"))
    changed = json.dumps(document | {"items": [other, *items[1:]]})
    if json.dumps(other, sort_keys=True) != json.dumps(items[0], sort_keys=True):
        with pytest.raises(ValueError, match="does not match its seal"):
            unseal_lines(standard(changed.encode()), "items")


FORGED = {
    "beyond its table": (
        {"shared": {"a": [1]}, "items": [{"a": 0}, {"a": 1}]},
        "items, item 2, a: 1 is not the number of",
    ),
    "below its table": (
        {"shared": {"a": [1]}, "items": [{"a": -1}]},
        "-1 is not the number of an entry; the table has 1",
    ),
    "a truth value": ({"shared": {"a": [1, 2]}, "items": [{"a": True}]}, "item 1, a: True is not the number"),
    "text": ({"shared": {"a": [1]}, "items": [{"a": "0"}]}, "item 1, a: '0' is not the number"),
    "a value itself": (
        {"shared": {"a.*": [1]}, "items": [{"a": {"x": [1]}}]},
        r"item 1, a\.\*: \[1\] is not the number",
    ),
    "inside a table": (
        {"shared": {"a": [[5]], "a.*": [1]}, "items": [{"a": 0}]},
        r"item 1, a\.\*: 5 is not the number",
    ),
    "an empty table": ({"shared": {"a": []}, "items": [{"a": 0}]}, "0 is not the number of an entry; .* has 0"),
    "no tables": ({"shared": [1], "items": []}, "'shared' has no list for each of its paths"),
    "no table": ({"shared": {"a": 3}, "items": []}, "'shared' has no list for each of its paths"),
    "no paths": ({"columns": "a", "items": []}, "'columns' is not a list of paths"),
    "no path": ({"columns": [3], "items": []}, "'columns' is not a list of paths"),
    "no items": ({"items": {"a": 0}}, "'items' is not a list"),
    "unlike columns": ({"columns": ["a"], "items": [{"a": {"x": [1], "y": []}}]}, "item 1, a: its columns are not"),
    "no columns": (
        {"columns": ["a"], "items": [{"a": {"x": 1}}]},
        "item 1, a: its columns are not lists of one length",
    ),
    "nothing": ({"columns": ["a"], "items": [{"a": {}}]}, "item 1, a: its columns are not lists of one length"),
}


@pytest.mark.parametrize(("document", "message"), FORGED.values(), ids=FORGED)
def test_tables_that_nobody_wrote_are_refused(document, message):
    with pytest.raises(ValueError, match=message):
        unseal_lines(document | {SEAL: json_digest(document)}, "items")


def test_no_published_document_is_large():
    sizes = {str(path): path.stat().st_size for folder in PUBLISHED for path in folder.rglob("*.json")}
    assert len(sizes) > 6
    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}
