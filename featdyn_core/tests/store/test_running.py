"""Code that was edited after its import is told from code that was not."""

import importlib
import sys
from pathlib import Path

import pytest

from featdyn_core.store.running import edited

UNEDITED = {
    "enumerations": "from enum import IntEnum, StrEnum\nclass A(IntEnum):\n    X = 1\nclass B(StrEnum):\n    X = 'x'\n",
    "an optional library": "HAVE = False\ntry:\n    import json\n    HAVE = True\nexcept ImportError:\n    pass\n",
    "a counter": "CALLS = 0\ndef f():\n    global CALLS\n    CALLS += 1\nf()\n",
    "a counter of a class": "class A:\n    COUNT = 0\n    def __init__(self): type(self).COUNT += 1\nA()\n",
    "a sum": "N = 1\nN += 1\n",
    "a loop": "N = 1\nfor N in range(3): pass\n",
    "a name set indirectly": "N = 1\nglobals()['N'] = 2\n",
    "a name imported by a star": "sep = 1\nE = 1\nfrom math import *\n",
    "a deleted name": "N = 1\ndel N\n",
    "a private name": "class A:\n    __N = 1\n",
    "overloads": "from typing import overload\n@overload\ndef f(x: int): ...\ndef f(x, y=1): return x\n",
    "functions of no name": "def _(x, y=2): pass\ndef _(x): pass\n",
    "a bare decorator": "def d(f):\n    def g(*a): return f(*a)\n    return g\n@d\ndef h(x, y=1): return x\n",
    "a class twice": "class A:\n    N = 1\nclass A(A):\n    N = 2\n",
    "a function twice": "def f(a=1): return a\nif f:\n    def f(b, c=3): return b\n",
    "defaults that are set": "def f(a=1): return a\nf.__defaults__ = (2,)\n",
    "classes that hold each other": "class A: pass\nclass B:\n    a = A\nA.b = B\n",
    "an object of computed attributes": "class A:\n    def __getattr__(self, n): raise RuntimeError(n)\na = A()\n",
    "calls of a mock": "from unittest.mock import call\n",
    "a set": "def f(x): return x in {" + ", ".join(f"'{n}'" for n in range(99)) + "}\n",
    "slots": "from dataclasses import *\n@dataclass(slots=True)\nclass A:\n    N: int = 1\n",
    "a named tuple": "from typing import NamedTuple\nclass A(NamedTuple):\n    N: int = 1\n",
    "properties": "class A:\n    @property\n    def w(self): return 1\n    @w.setter\n    def w(self, v, k=1): pass\n",
    "a mark of the byte order": "\ufeffN = 1\n",
}

EDITED = {
    "an annotated constant": "N: int = 8\n",
    "a tuple": "N = (1, 8)\n",
    "a negative number": "N = -8\n",
    "two names": "N = M = 8\n",
    "a constant in a branch": "if 1:\n    N = 8\n",
    "an attribute of a class": "class A:\n    expansion = 8\n",
    "a field": "from dataclasses import *\n@dataclass\nclass A:\n    width: int = 8\n",
    "a default by keyword": "def f(*, w=8): return w\n",
    "a tuple as default": "def f(w=(1, 8)): return w\n",
    "a default of a coroutine": "async def f(w=8): return w\n",
    "a default of a lambda": "f = lambda w=8: w\n",
    "a cached property": "from functools import *\nclass A:\n    @cached_property\n    def f(self): return 8\n",
    "a cached function": "from functools import *\n@cache\ndef f(): return 8\n",
    "an inner class": "class A:\n    class B:\n        def f(self): return 8\n",
    "a method of many": "class A:\n    def f(self): return 8\nclass B:\n    def f(self): return 6\n",
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that writes and imports a module."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(text):
        (tmp_path / "made_here.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("made_here")

    yield load
    sys.modules.pop("made_here", None)


def decoded(text: str) -> str:
    return text.removeprefix("\ufeff")


@pytest.mark.parametrize("text", UNEDITED.values(), ids=list(UNEDITED))
def test_a_module_as_it_was_imported_is_not_edited(load, text):
    module = load(text)
    assert edited([module], {Path(module.__file__): decoded(text)}) is None


@pytest.mark.parametrize("text", EDITED.values(), ids=list(EDITED))
def test_an_edit_is_found(load, text):
    module = load(text)
    path = Path(module.__file__)
    assert edited([module], {path: text}) is None
    assert edited([module], {path: text.replace("8", "7")}) == path


def test_a_set_of_another_order_is_the_same(load):
    """A set that is read from byte code may have another order than one that is compiled."""
    module = load("def f(x):\n    return x in {0, 8}\n")
    text = "def f(x):\n    return x in {8, 0}\n"
    assert edited([module], {Path(module.__file__): text}) is None
