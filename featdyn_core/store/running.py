"""Whether the code that runs is what its file says: a module may be edited after it was imported, as in a notebook.

Nothing is executed. Functions are compared by their byte code, and constants and defaults where the file spells them.
Whatever the file does not spell, such as a name that it binds twice, says nothing about an edit.
"""

import ast
import functools
import inspect
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from featdyn_core.files import read_file

_PLAIN = (str, bytes, bool, int, float, complex, type(None))

_PATCHED = "__autoreload_class__"
"""The class in which IPython's autoreload compiles a method that it replaces without importing its module again."""

_FLAGS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""The flags of code that change what it computes; autoreload forgets those of ``from __future__ import``."""

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_INDIRECT = {"globals", "locals", "vars", "setattr", "exec"}
"""What may set a name that the source does not show."""


class _Told(NamedTuple):
    """What a file says.

    Attributes:
        code: signature of every function and class body.
        values: values of the constants of the module (named "") and of each class, by name; only those bound once.
        defaults: values of the defaults of every definition of a function, by its qualified name.
        moved: names that it sets from outside of their scope.
    """

    code: frozenset[tuple[Any, ...]]
    values: dict[str, dict[str, Any]]
    defaults: dict[str, list[tuple[list[Any], dict[str, Any]]]]
    moved: set[str]


class _Unknown:
    """A value that a file does not spell."""


def edited(modules: Iterable[ModuleType], texts: Mapping[Path, str]) -> Path | None:
    """Return a file that says something else than the imported modules run; None if all agree.

    Modules that were not loaded from their source as it stands, such as those that pytest rewrites, are not compared.

    Args:
        modules: imported modules.
        texts: present text of each file, by its path.

    A text that is not Python is a ``SyntaxError``.
    """
    told = {str(path.resolve()): (path, _told(text)) for path, text in texts.items()}
    moved = {name for _, says in told.values() for name in says.moved}
    for module in filter(is_plain, modules):
        path, says = told.get(str(Path(vars(module).get("__file__") or "").resolve()), (None, None))
        # A variable of a module may be counted up or set by others, so only those in capitals are constants.
        if says and not _holds(says.values[""], {n: v for n, v in vars(module).items() if n.isupper()}, moved):
            return path
        for part, owner in _parts(module, module.__name__, set()):
            if isinstance(part, type):
                if says and not _holds(says.values.get(part.__qualname__, {}), vars(part), moved):
                    return path
            elif type(part.__globals__.get("__loader__")) is SourceFileLoader:
                found = told.get(str(Path(part.__code__.co_filename).resolve()))
                if found and not _runs(part, owner, found[1], moved):
                    return found[0]
    return None


def is_plain(module: ModuleType) -> bool:
    """Whether a module runs its source as it stands."""
    return type(vars(module).get("__loader__")) is SourceFileLoader


def unreadable(modules: Iterable[ModuleType], root: Path) -> Path | None:
    """Return a file below a folder that was imported, and is now missing or not Python; None if there is none."""
    for module in filter(is_plain, modules):
        path = Path(vars(module).get("__file__") or "")
        if path.is_relative_to(root):
            try:
                ast.parse(decode_source(read_file(path)))
            except (SyntaxError, ValueError, OSError):
                return path
    return None


@functools.lru_cache(maxsize=1024)
def _told(text: str) -> _Told:
    tree, code = ast.parse(text), compile(text, "", "exec", dont_inherit=True)
    nodes = list(ast.walk(tree))
    moved = {node.attr for node in nodes if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)}
    moved |= {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    told = _Told(frozenset(_written(code)), {}, {}, moved)
    _tell(tree, "", told)
    if _INDIRECT.intersection(node.id for node in nodes if isinstance(node, ast.Name)):
        told.values.update({key: {} for key in told.values})
    return told


def _tell(scope: ast.AST, name: str, told: _Told) -> None:
    """Collect the constants and defaults of a scope, which has a qualified name, and of those inside."""
    nodes, bound = list(_inside(scope)), Counter[str]()
    for node in nodes:
        if isinstance(node, ast.alias):
            bound[(node.asname or node.name).partition(".")[0]] += 1
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound[node.id] += 1
        elif isinstance(called := getattr(node, "name", None), str):
            bound[called] += 1
    once = {key: value for key, value in _constants(nodes).items() if bound[key] == 1}
    # A class may be defined twice, and what is imported by a star may have any name.
    told.values[name] = {} if name in told.values or bound["*"] else once
    for node in nodes:
        inner = f"{name}.{getattr(node, 'name', '<lambda>')}".removeprefix(".")
        if isinstance(node, _FUNCTIONS):
            told.defaults.setdefault(inner, []).append(_defaults(node.args))
            _tell(node, f"{inner}.<locals>", told)
        elif isinstance(node, ast.ClassDef):
            _tell(node, inner, told)


def _inside(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of scopes inside."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, _FUNCTIONS | ast.ClassDef):
            yield from _inside(node)


def _constants(nodes: Iterable[ast.AST]) -> dict[str, Any]:
    """Return the spelled values that statements bind, by name."""
    found: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _literal(node.value)
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            found[node.target.id] = _literal(node.value)
    return {name: value for name, value in found.items() if value is not _Unknown}


def _defaults(arguments: ast.arguments) -> tuple[list[Any], dict[str, Any]]:
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return list(map(_literal, arguments.defaults)), {name.arg: _literal(value) for name, value in named if value}


def _literal(node: ast.expr) -> Any:
    """Return the value of an expression, if it is spelled and nothing changes it in place."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _Unknown
    return value if _is_fixed(value) else _Unknown


def _is_fixed(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_fixed, value)))


def _holds(told: Mapping[str, Any], held: Mapping[str, Any], moved: Collection[str]) -> bool:
    """Whether names have the values that the source spells.

    These are not compared: names that are set elsewhere, names that are not there, and values that were made into
    something else, as in an enumeration.
    """
    return all(_same(value, held[name]) for name, value in told.items() if name in held and name not in moved)


def _same(told: Any, held: Any) -> bool:
    return told is _Unknown or not _is_fixed(held) or repr(told) == repr(held)


def _runs(function: FunctionType, owner: str, told: _Told, moved: Collection[str]) -> bool:
    """Whether a function is one that the source defines, with the defaults that it spells."""
    signature = _signature(function.__code__, owner)
    if signature not in told.code:
        return False
    positional, named = function.__defaults__ or (), function.__kwdefaults__ or {}
    known = told.defaults.get(signature[0])
    return (
        known is None
        or any(name in moved for name in ("__defaults__", "__kwdefaults__"))
        or any(
            len(values) == len(positional)
            and all(map(_same, values, positional))
            and names.keys() == named.keys()
            and _holds(names, named, ())
            for values, names in known
        )
    )


def _written(code: CodeType) -> Iterator[tuple[Any, ...]]:
    """Yield the signature of every function and class body in compiled source."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield _signature(part)
            yield from _written(part)


def _signature(code: CodeType, owner: str = "") -> tuple[Any, ...]:
    """What a function computes, wherever it stands in its file; first its qualified name.

    Args:
        code: its code.
        owner: qualified name of its class, for a method that autoreload has replaced.
    """
    first = code.co_consts[:1]  # perhaps a docstring, which autoreload indents anew
    constants = [" ".join(part.split()) if isinstance(part, str) else _constant(part, owner) for part in first]
    constants += [_constant(part, owner) for part in code.co_consts[1:]]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS)
    return code.co_qualname.replace(_PATCHED, owner), code.co_code, counts, names, tuple(constants)


def _constant(value: Any, owner: str) -> Any:
    """Return what tells constants of code apart; the order of a set differs between source and stored byte code."""
    if isinstance(value, CodeType):
        return _signature(value, owner)
    if isinstance(value, frozenset):
        return frozenset(_constant(part, owner) for part in value)
    return tuple(_constant(part, owner) for part in value) if isinstance(value, tuple) else repr(value)


def _parts(owner: Any, module: str, seen: set[int]) -> Iterator[tuple[Any, str]]:
    """Yield the functions and classes of a module or class, each with the qualified name of its class.

    Args:
        owner: the module or class.
        module: name of the module; classes of others are left out.
        seen: identities of what was yielded; classes may hold each other.
    """
    inside = "" if isinstance(owner, ModuleType) else owner.__qualname__
    pending = list(vars(owner).values())
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, (*_PLAIN, ModuleType)):
            continue
        if isinstance(value, type):
            if value.__module__ == module:
                seen.add(id(value))
                yield value, inside
                yield from _parts(value, module, seen)
        elif wrapped := [part for part in _wrapped(value) if part is not None]:
            seen.add(id(value))
            pending += wrapped
        if isinstance(value, FunctionType):
            seen.add(id(value))
            yield value, inside


def _wrapped(value: Any) -> tuple[Any, ...]:
    """What a value wraps; no attribute is computed, because objects of users may do anything then."""
    kind = type(value)
    if issubclass(kind, property):
        return value.fget, value.fset, value.fdel
    if issubclass(kind, staticmethod | classmethod | MethodType):
        return (value.__func__,)
    if issubclass(kind, functools.partial | functools.partialmethod | functools.cached_property):
        return (value.func,)
    # The second one is the function of `torch.jit.script`.
    return tuple(inspect.getattr_static(value, name, None) for name in ("__wrapped__", "_torchdynamo_inline"))
