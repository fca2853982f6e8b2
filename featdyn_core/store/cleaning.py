"""What a store can do without: interrupted work, and records that no present code reads."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.files import LARGEST_DOCUMENT, read_file
from featdyn_core.records.kinds import KINDS
from featdyn_core.store.layout import named_errors, remove
from featdyn_core.store.locks import is_held
from featdyn_core.store.source import measuring_source
from featdyn_core.store.supply import Store


@dataclass(frozen=True)
class Idle:
    """Something that nobody needs.

    Attributes:
        what: description in words.
        paths: its files and folders.
        size: their size in bytes.
    """

    what: str
    paths: tuple[Path, ...]
    size: int


def idle(store: Store) -> Iterator[Idle]:
    """Yield what can be removed without losing anything finished. Work in progress is left out.

    An interrupted training could still continue if it were kept.
    """
    for place, what in (("partial", "an interrupted training"), ("incoming", "an interrupted pull")):
        for path in sorted((store.root / place).glob("*")):
            if not is_held(store.layout.lock(path.name)):
                yield _idle(f"{what}, {path.name[:12]}", path)
    for path in sorted((store.root / "records").glob("*/*.json")):
        if reason := _outdated(path):
            yield _idle(f"a record {reason}, {path.stem}", path, path.with_suffix(".npz"))


def free(store: Store, found: Idle) -> None:
    """Remove something that nobody needs.

    What cannot be removed is a ``StoreError``.
    """
    with named_errors(store.root):
        for path in found.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                remove(path)


def _idle(what: str, *paths: Path) -> Idle:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return Idle(what, paths, sum(file.stat().st_size for file in files))


def _outdated(path: Path) -> str:
    """Return why no present code reads a record; empty if some does, or if this is unknown."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        facts = json.loads(read_file(path, LARGEST_DOCUMENT))
        if facts["kind"] not in KINDS:
            return "of a kind that no longer exists"
        if facts["version"] != KINDS[facts["kind"]].version or facts["source"] != measuring_source(facts["kind"]):
            return "measured by other code"
    return ""
