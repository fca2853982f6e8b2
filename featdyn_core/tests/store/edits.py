"""Edits of a trajectory's files that several tests of the store make."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from featdyn_core.sealed import SEAL
from featdyn_core.store.documents import dump, seal

LATER = (SEAL, "cpu", "conditions", "environments", "optimizer", "at_once")
"""Fields of manifests that those of earlier versions lacked."""


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object], *, old: bool = False) -> None:
    """Change the manifest of a trajectory and seal it again, as a forger or an earlier version might."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    edit(manifest)
    for name in LATER if old else (SEAL,):
        manifest.pop(name, None)
    path.write_bytes(dump(manifest) if old else seal(manifest))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def flip(path: Path, position: int, mask: int = 1) -> None:
    """Change bits of one byte of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)
