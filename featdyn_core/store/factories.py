"""The source of a network that a user's function makes: a condition of everything trained and measured with it.

A recipe's digest names the function and its arguments, not its code. The store therefore also records the code, so that
results of an edited function are not confused with earlier ones.
"""

import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType

from featdyn_core.errors import OtherCodeError
from featdyn_core.networks.names import is_factory
from featdyn_core.store.running import edited, is_plain, unreadable
from featdyn_core.store.source import ROOT, digest_of, sources, state_of


def factory_source(network: str) -> str:
    """Digest of the source of a network's function and of everything that it needs from its own package.

    The digest is of the code that this process runs. A file that is edited keeps its digest until its module is
    imported again, as by ``importlib.reload`` or IPython's autoreload. A file that was edited between its import and
    the first call is an ``OtherCodeError``. Nothing is imported here.

    Args:
        network: the network's name in a recipe.

    Returns:
        Hex sha256; empty for networks of this package or of installed libraries, and if no file of the function is
        found.
    """
    if not is_factory(network):
        return ""
    known = _known.get(key := (network, tuple(sys.path)))
    if known is None or not known.runs():
        known = _look(network)
        if known.files:  # a file that is missing now may be written later
            _known[key] = known
    return known.digest


@dataclass
class _Source:
    """The source of a network's function, as it was when its digest was taken.

    Attributes:
        digest: as ``factory_source`` returns it.
        files: path of each file, by the name of its module.
        texts: text of each file.
        states: modification time and size of each file.
        imports: what identifies the import of a module, for those imported since; a new import has a new one.
    """

    digest: str
    files: dict[str, Path] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    states: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    imports: dict[str, ModuleSpec] = field(default_factory=dict)

    def runs(self) -> bool:
        """Whether this process runs this source: no file has changed, or only ones whose imported code has not."""
        present = {name: module.__spec__ for name, module in _imported(self.files).items() if module.__spec__}
        if any(present.get(name) is not spec for name, spec in self.imports.items()):
            return False
        changed = {name for name, state in self.states.items() if state_of(self.files[name]) != state}
        if changed:
            # IPython's autoreload may replace functions without importing their module again.
            known = changed <= self.imports.keys() == present.keys()
            return known and edited(_imported(self.files).values(), self.texts) is None
        self.imports = present
        return True


_known: dict[tuple[str, tuple[str, ...]], _Source] = {}
"""Sources by the network's name and the folders in which Python looks for it."""


def _look(network: str) -> _Source:
    """Return the present source of a network's function.

    Raises:
        OtherCodeError: this process runs other code than its files hold.
    """
    module, _, function = network.partition(":")
    path = _path(module)
    if path is None or _is_library(path.resolve()):
        return _Source("", {} if path is None else {module: path})
    root = path.parents[len(module.split(".")) - (path.name != "__init__.py")]
    parts: dict[str, str] = {}
    texts: dict[Path, str] = {}
    files = {module: path}
    states = {module: state_of(path)}  # before it is read: an edit meanwhile is found by the next call
    try:
        # A package may be mapped to a folder of another name, in which imports cannot be followed.
        if path.is_file() and _module_of(path.relative_to(root).as_posix()) == module:
            parts = sources(module, function.partition(".")[0], root)
        files |= {_module_of(name): root / name for name in parts if name.endswith(".py")}
        states |= {name: state_of(file) for name, file in files.items() if name not in states}
        texts = {file: decode_source(file.read_bytes()) for file in files.values()}
        changed = edited(_imported(files).values(), texts)
    except (SyntaxError, ValueError, OSError):
        # Importing it raises an error that says more, unless it was imported before it came to this.
        changed = unreadable(_imported(list(sys.modules)).values(), root)
    if changed:
        raise OtherCodeError(
            f"{changed} was edited after this process imported it, so it cannot say which code makes {network}; "
            "import the module again, or start again"
        )
    digest = digest_of(parts) if parts else hashlib.sha256(path.read_bytes()).hexdigest()
    found = _Source(digest, files, texts, states)
    found.runs()  # sets which modules are imported
    return found


def _module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(names: Iterable[str]) -> dict[str, ModuleType]:
    found = {name: sys.modules.get(name) for name in names}
    return {name: module for name, module in found.items() if isinstance(module, ModuleType)}


def _is_library(path: Path) -> bool:
    own = (ROOT / "featdyn_core", Path(sysconfig.get_path("stdlib")).resolve())
    return any(map(path.is_relative_to, own)) or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _path(module: str) -> Path | None:
    """Return the source file of an imported module, or the one that Python would find; None if there is none."""
    loaded = _imported([module]).get(module)
    found = _found(module) if loaded is None else loaded.__spec__
    source = found.origin if found and found.has_location else None
    if not source or not source.endswith(".py"):
        return None
    path = Path(source).absolute()  # where links lead says nothing about the names of modules
    return path if path.is_file() or (loaded and is_plain(loaded)) else None


def _found(module: str) -> ModuleSpec | None:
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
    return found
