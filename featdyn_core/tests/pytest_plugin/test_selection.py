"""Rows by their tests' parameters, and marks that an expression names."""

import pytest

from featdyn_core.pytest_plugin.selection import named_marks, row_named

ROWS = ["demo-small-digits", "demo-small-digits-slow", "demo-reduced-digits", "demo-reduced-digits-replayed"]


@pytest.mark.parametrize(
    ("told", "row"),
    [
        ("demo-small-digits", "demo-small-digits"),
        ("demo-reduced-digits-replayed", "demo-reduced-digits-replayed"),
        ("demo-small-digits-1-3", "demo-small-digits"),  # pytest-repeat
        ("demo-small-digits-slow-1-3", "demo-small-digits-slow"),
        ("2-demo-small-digits", "demo-small-digits"),
        ("demo-small-digitsx", ""),
        ("true", ""),
        ("", ""),
    ],
)
def test_a_row_is_found_in_a_name(told, row):
    assert row_named(f"claims/test_demo.py::test_demo[{told}]", ROWS) == row


def test_a_test_without_parameters_has_no_row():
    assert row_named("claims/test_demo.py::test_demo", ROWS) == ""


@pytest.mark.parametrize(
    ("expression", "marks"),
    [("", set()), ("full", {"full"}), ("not mutation", {"not", "mutation"}), ("a and (full or b)", {"a", "full"})],
)
def test_marks_that_an_expression_names(expression, marks):
    assert marks <= named_marks(expression)
    assert "sweep" not in named_marks(expression)
