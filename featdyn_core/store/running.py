"""Whether the code that runs is what its file says: a module may be edited after it was imported, as in a notebook.

Nothing is executed. Functions are compared by their byte code, and constants and defaults where the file spells them.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

_PLAIN = (str, bytes, bool, int, float, type(None))


def edited(modules: list[ModuleType], texts: Mapping[Path, str]) -> Path | None:
    """Return a file that says something else than the imported modules run; None if all agree.

    Modules that were not loaded from their source as it stands, such as those that pytest rewrites, are not compared.

    Args:
        modules: imported modules.
        texts: present text of each file, by its path.
    """
    written = {
        str(path): set(_written(compile(text, str(path), "exec", dont_inherit=True))) for path, text in texts.items()
    }
    for module in modules:
        if type(module.__loader__) is not SourceFileLoader:
            continue
        path = Path(module.__file__ or "").resolve()
        if path in texts and not _agree(module, ast.parse(texts[path]).body):
            return path
        for function in _functions(module):
            name = str(Path(function.__code__.co_filename).resolve())
            if name in written and _signature(function.__code__) not in written[name]:
                return Path(name)
    return None


def _written(code: CodeType) -> Iterator[tuple[Any, ...]]:
    """Yield the signature of every function and class body in compiled source."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield _signature(part)
            yield from _written(part)


def _signature(code: CodeType) -> tuple[Any, ...]:
    """What a function computes, wherever it stands in its file."""
    constants = tuple(_signature(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_qualname, code.co_code, code.co_argcount, code.co_kwonlyargcount, code.co_flags, names, constants


def _functions(owner: Any) -> Iterator[FunctionType]:
    """Yield the functions of a module and of the classes that it defines."""
    name = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    for value in list(vars(owner).values()):
        if isinstance(value, type) and value.__module__ == name and value is not owner:
            yield from _functions(value)
        parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        for part in parts:
            if callable(part) and isinstance(function := inspect.unwrap(part), FunctionType):
                yield function


def _agree(owner: Any, body: list[ast.stmt]) -> bool:
    """Whether constants and defaults have the values that the source spells."""
    for node in body:
        if isinstance(node, ast.ClassDef) and isinstance(found := vars(owner).get(node.name), type):
            if not _agree(found, node.body):
                return False
        elif isinstance(node, ast.FunctionDef):
            function = inspect.unwrap(getattr(vars(owner).get(node.name), "__func__", vars(owner).get(node.name)))
            if isinstance(function, FunctionType) and not _same(node.args.defaults, function.__defaults__ or ()):
                return False
        elif isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
            held = vars(owner).get(target.id)
            if target.id.isupper() and not _same([node.value], [held]):
                return False
    return True


def _same(nodes: list[ast.expr], values: Any) -> bool:
    """Whether values are those of expressions; only plain ones, which nothing changes in place, are compared."""
    if len(nodes) != len(values):
        return False
    for node, value in zip(nodes, values, strict=True):
        if isinstance(node, ast.Constant) and isinstance(value, _PLAIN) and repr(node.value) != repr(value):
            return False
    return True
