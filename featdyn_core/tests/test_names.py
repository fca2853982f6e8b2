"""Names of tests: a name fits on one line of a terminal."""

import ast
from pathlib import Path

import pytest

LONGEST = 60
CHECKOUT = Path(__file__).parents[2]


def long_names(source):
    """Names of tests in a source, in classes too, that are longer than allowed."""
    names = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [name for name in names if name.startswith("test_") and len(name) > LONGEST]


def test_names_of_tests_are_short():
    folders = [CHECKOUT / name for name in ("featdyn_core", "claims", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("test_*.py")]
    found = {str(path): long_names(path.read_text(encoding="utf-8")) for path in files}
    assert Path(__file__) in files
    assert not {path: names for path, names in found.items() if names}, f"more than {LONGEST} characters"


@pytest.mark.parametrize(("length", "refused"), [(LONGEST, False), (LONGEST + 1, True)])
def test_only_longer_names_are_refused(length, refused):
    name = "test_".ljust(length, "x")
    assert long_names(f"class A:\n    def {name}(self):\n        pass") == [name] * refused
