"""Documents as TOML: what is written is read back as it was."""

import tomllib

import pytest

from featdyn_core.toml_text import toml_text

DOCUMENTS = [
    {},
    {"schema": 1, "on": True, "rate": 0.1, "large": 1e300, "small": 1e-7, "name": "a"},
    {"text": 'quotes " and \\ and\nlines\t\x7f\x01 é', "empty": "", "list": [1, [2, "b"]], "none": []},
    {"table": {"inside": {"x": 1}, "y": 2}, "after": 3},
    {"a name": {"a.b": 1, "": 2}, "0": {"1": "x"}, "empty": {}},
    {"list": [{"x": 1, "y z": [2]}]},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_written_is_read_back(document):
    assert tomllib.loads(toml_text(document)) == document


def test_tables_stand_under_their_own_headings():
    assert toml_text({"a": {"b": {"c": 1}}, "d": [0.5, 2]}) == "d = [0.5, 2]\n\n[a.b]\nc = 1\n"
