"""JSON of the store: standard and sealed; hostile input is a ValueError."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featdyn_core.sealed import SEAL
from featdyn_core.store import documents
from featdyn_core.store.documents import LINE, dump, one_line, parse, seal, unseal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def standard(text: bytes):
    """Parse as other languages do: without NaN and Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_becomes_null(number):
    content = {"a": [1.5, number, (number,)], "b": {"c": number}}
    assert standard(dump(content)) == {"a": [1.5, None, [None]], "b": {"c": None}}


def test_nan_of_earlier_versions_is_read():
    assert math.isnan(parse(b'{"train_loss": NaN}')["train_loss"])


@given(st.dictionaries(st.text(), JSON))
def test_sealed_document_gives_back_what_was_written(content):
    content.pop(SEAL, None)
    assert unseal(seal(content)) == content


@given(st.dictionaries(st.text(), JSON), st.data())
def test_any_other_byte_breaks_the_seal(content, data):
    text = bytearray(seal(content))
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"."):
        unseal(bytes(text))


def test_a_seal_is_checked_without_writing_the_document_again(monkeypatch):
    text = seal({"log": [1.5, {"é": None}], "nested": {SEAL: "of another"}})
    monkeypatch.setattr(documents, "dump", None)
    assert unseal(text) == {"log": [1.5, {"é": None}], "nested": {SEAL: "of another"}}


def test_unsealed_document_is_one_of_earlier_fields():
    assert unseal(b'{"epoch": 1}', ("epoch", "log")) == {"epoch": 1}
    with pytest.raises(ValueError, match="it has the field 'seel' and no seal"):
        unseal(b'{"epoch": 1, "seel": "0"}', ("epoch", "log"))


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 10**5, b'{"a":' * 10**5, b"\xff", b"1" * 10**5])
def test_hostile_text_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_what_an_error_repeats_is_one_line_of_bounded_length():
    assert one_line("a\nb\t c") == "a b c"
    assert len(one_line("x" * 5000)) == LINE + 1
