"""The source that a measurement is computed by: what its records must not outlive."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from featdyn_core.measures.kinds import KINDS

ROOT = Path(__file__).parents[2]


def measuring_source(kind: str) -> str:
    """Digest of the source that a kind of record is measured by."""
    return source_digest(KINDS[kind].measure.__module__)


@functools.cache
def source_digest(module: str, root: Path = ROOT) -> str:
    """Hex sha256 over the source of a module and of all that it imports of its own package, wherever it does.

    So an edit never meets a record of before it, and leaves the records alone that it cannot have changed.

    Args:
        module: dotted name.
        root: folder in which its package lies.
    """
    pending, found = [module], {}
    while pending:
        path = _file(pending.pop(), root)
        if path is not None and path not in found:
            found[path] = path.read_bytes().replace(b"\r\n", b"\n")  # as git may check it out
            pending += _imported(found[path])
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(b"%s\0%s\0" % (path.relative_to(root).as_posix().encode(), found[path]))
    return digest.hexdigest()


def _file(module: str, root: Path) -> Path | None:
    """The file of a module; None for a name that is none here, and for a package, which has no code of its own."""
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def _imported(source: bytes) -> Iterator[str]:
    """Yield the dotted names that may be modules; of ``from a import b``, both ``a`` and ``a.b``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
