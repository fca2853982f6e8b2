"""The source code of a measurement; its records become invalid when this code changes.

A kind's file also holds its options, its view and planted records. What counts is its function ``measure``, everything
that this function uses in its own file, and the modules that these import. Comments and docstrings do not count.
"""

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import decode_source
from pathlib import Path

from featdyn_core.errors import StoreError
from featdyn_core.records.kinds import KINDS

ROOT = Path(__file__).parents[2]


def state_of(path: Path) -> tuple[int, int] | None:
    """Modification time and size of a file; None if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


_BEGUN = {path: state_of(path) for path in (ROOT / "featdyn_core").rglob("*.py")}
"""State of the package's files when this process began; it imports its code from them, some of it later."""


def measuring_source(kind: str) -> str:
    """Digest of the source that measures a kind of record in this process.

    A file of it that is missing, or was edited since the process began, is a ``StoreError``.
    """
    measure = KINDS[kind].measure
    return source_digest(measure.__module__, measure.__name__)


@functools.cache
def source_digest(module: str, function: str, root: Path = ROOT) -> str:
    """Hex sha256 of the code of a function and of everything that it needs from its own package.

    Edited code therefore never reads a record from before the edit, and records that the edit cannot have changed stay
    valid.

    Args:
        module: dotted name of the module.
        function: a function of the module.
        root: folder that contains the package.
    """
    return digest_of({name: code_of(text) for name, text in sources(module, function, root).items()})


def digest_of(parts: Mapping[str, str]) -> str:
    """Hex sha256 of sources by name, as ``sources`` returns them."""
    digest = hashlib.sha256()
    for name, text in sorted(parts.items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


@functools.cache
def code_of(text: str) -> str:
    """Return a source without comments, docstrings and blank lines, which compute nothing.

    A text that is no sequence of tokens, as part of a file may be, is returned as it is.

    Examples:
        >>> code_of("RATE = 0.1  # per step")
        'RATE = 0.1'
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    lines = text.split("\n")
    for row, start in (token.start for token in tokens if token.type == tokenize.COMMENT):
        lines[row - 1] = lines[row - 1][:start].rstrip()
    ends = [token.start[0] for token in tokens if token.type == tokenize.NL]  # of lines that end no statement
    left_out = {row for row in ends if not lines[row - 1].strip()}
    for statement in _statements(tokens):
        if all(token.type == tokenize.STRING and not _computes(token.string) for token in statement):
            left_out.update(range(statement[0].start[0], statement[-1].end[0] + 1))
    return "\n".join(line for row, line in enumerate(lines, start=1) if row not in left_out).strip("\n")


def _statements(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[list[tokenize.TokenInfo]]:
    """Yield the tokens of each line of code; a statement over several lines is one."""
    found: list[tokenize.TokenInfo] = []
    for token in tokens:
        if token.type == tokenize.NEWLINE and found:
            yield found
            found = []
        elif token.string.strip() and token.type not in (tokenize.COMMENT, tokenize.NEWLINE):
            found.append(token)


def _computes(string: str) -> bool:
    """Whether a string may call something, as an f-string does."""
    return string.lower().startswith(("f", "rf", "fr"))


def files(module: str, function: str, root: Path = ROOT) -> list[str]:
    """Files that a function needs besides its own, relative to the root. Arguments are those of ``source_digest``."""
    return [name for name in sources(module, function, root) if "/" in name]


def sources(module: str, function: str, root: Path) -> dict[str, str]:
    """Sources that a function needs: the used names of its own file, and the whole text of other files.

    Arguments are those of ``source_digest``.

    Returns:
        Text by ``module:name`` for its own file, and by the path from the root for others.
    """
    parts, pending = _needed(module, function, root)
    while pending:
        path = _file(pending.pop(), root)
        if path is not None and (name := path.relative_to(root).as_posix()) not in parts:
            parts[name] = _read(path)
            pending += _imports_of(parts[name], _package(path, root))
    return parts


@functools.cache
def _imports_of(text: str, package: str) -> tuple[str, ...]:
    """Dotted names that a source imports. It is cached, because kinds share most of them."""
    return tuple(_imported(_parsed(text), package))


@functools.cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _needed(module: str, function: str, root: Path) -> tuple[dict[str, str], list[str]]:
    """Return the sources of a function and of the names that it uses in its file, and the modules that these import.

    Raises:
        StoreError: the module is not a file of the project.
    """
    path = _file(module, root)
    if path is None:
        raise StoreError(
            f"{module} has no source in {root}, and records are kept under the source that measured them; install "
            "featdyn with its .py files"
        )
    text, package = _read(path), _package(path, root)
    body = _parsed(text).body
    defined: dict[str, list[ast.stmt]] = {}
    for node in body:
        for name in _defines(node):
            defined.setdefault(name, []).append(node)
    imports = {
        alias.asname or alias.name: node
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    stars = [node for node in body if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
    parts: dict[str, str] = {}
    modules: list[str] = []
    pending = [function]
    while pending:
        name = pending.pop()
        if f"{module}:{name}" in parts:
            continue
        if name in defined:
            parts[f"{module}:{name}"] = "\n".join(_segment(text, node) for node in defined[name])
            for node in defined[name]:
                pending += _names(node)
                modules += _imported(node, package)
        else:
            # A name that is defined nowhere may come from a star import.
            for node in [imports[name]] if name in imports else stars:
                modules += _imported(node, package)
    return parts, modules


def _defines(node: ast.stmt) -> list[str]:
    """Names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    inner = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return list(dict.fromkeys(name.id for name in inner if isinstance(name.ctx, ast.Store)))


def _segment(text: str, node: ast.stmt) -> str:
    """Return the source of a statement with its decorators, which ``ast`` leaves out."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return "\n".join(ast.get_source_segment(text, part) or "" for part in (*decorators, node))


def _names(node: ast.AST) -> list[str]:
    """Names that a statement uses, except in annotations, which compute nothing."""
    found = [node.id] if isinstance(node, ast.Name) else []
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            inner = value if isinstance(value, list) else [value]
            found += [name for child in inner if isinstance(child, ast.AST) for name in _names(child)]
    return found


def _read(path: Path) -> str:
    """Return a source with the line ends of the repository.

    Raises:
        StoreError: it was edited since this process began, so the running code may be of either version.
    """
    if path.is_relative_to(ROOT / "featdyn_core") and _BEGUN.get(path) != state_of(path):
        raise StoreError(
            f"{path} was edited since this process began, so a record could not say which version measured it; start "
            "again"
        )
    return decode_source(path.read_bytes())


def _file(module: str, root: Path) -> Path | None:
    """The file of a module; None if there is no such module here, or if it is a package without code of its own."""
    path = root.joinpath(*module.split("."))
    if (single := path.with_suffix(".py")).is_file():
        return single
    package = path / "__init__.py"
    return package if package.is_file() and len(ast.parse(_read(package)).body) > 1 else None


def _package(path: Path, root: Path) -> str:
    """Dotted name of the package that a file lies in; empty at the root."""
    return ".".join(path.relative_to(root).parent.parts)


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the dotted names that may be modules; for ``from a import b``, both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            if base := ".".join([*above, *filter(None, [node.module])]):
                yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
