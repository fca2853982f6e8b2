"""The source of a network that a user's function makes: a condition of everything trained and measured with it.

A recipe's digest names the function and its arguments, not its code. The store therefore also records the code, so that
results of an edited function are not confused with earlier ones.
"""

import contextlib
import functools
import hashlib
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

from featdyn_core.networks.names import is_factory
from featdyn_core.store.source import ROOT, source_digest

_NOTHING = hashlib.sha256().hexdigest()
"""Digest of a file whose text does not show where the function comes from."""


def factory_source(network: str) -> str:
    """Digest of the source of a network's function and of everything that it needs from its own package.

    The digest is of the code at the first call, since a process imports a module once. Nothing is imported here.

    Args:
        network: the network's name in a recipe.

    Returns:
        Hex sha256; empty for networks of this package or of installed libraries, and if no file of the function is
        found.
    """
    return _digest(network, tuple(sys.path)) if is_factory(network) else ""


@functools.cache
def _digest(network: str, _where: tuple[str, ...]) -> str:
    module, _, function = network.partition(":")
    path = _path(module)
    if path is None or _is_library(path):
        return ""
    inside = len(module.split(".")) - (path.name != "__init__.py")
    with contextlib.suppress(SyntaxError, ValueError):  # importing it raises an error that says more
        if (found := source_digest(module, function.partition(".")[0], path.parents[inside])) != _NOTHING:
            return found
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_library(path: Path) -> bool:
    own = (ROOT / "featdyn_core", Path(sysconfig.get_path("stdlib")).resolve())
    return any(map(path.is_relative_to, own)) or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _path(module: str) -> Path | None:
    """Return the source file that Python would find for a module; None if there is none."""
    names, inside = module.split("."), None
    found: ModuleSpec | None = None
    for number in range(len(names)):
        name = ".".join(names[: number + 1])
        finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
        specs = (find(name, inside) for find in finders if find)
        found = next((spec for spec in specs if spec is not None), None)
        if found is None:
            return None
        inside = found.submodule_search_locations
    source = found.origin if found and found.has_location else None
    return Path(source).resolve() if source and source.endswith(".py") else None
