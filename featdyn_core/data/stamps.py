"""Stamps that identify an image set without reading it, by sizes and times of files as in a build."""

import functools
import hashlib
import importlib.metadata
import os
from pathlib import Path

from featdyn_core.project import data_root


def stamp(name: str, subset: int | None, root: Path | None = None) -> str:
    """Return a text that changes whenever the images of a set may have changed; empty if this is unknown.

    It depends on the files of the set (place, size, time of change), on the library that bundles the digits, and on the
    code of this package that turns either into images.

    Args:
        name: name of the set, or the path of an ``.npz`` file.
        subset: number of training images drawn, or None.
        root: folder of image sets.
    """
    own = Path(os.path.expanduser(name))
    if name == "digits":
        found = [f"scikit-learn {_bundle()}"]
    elif own.suffix == ".npz":
        found = _files(own)
    else:
        place = data_root(root)
        found = _files(place / f"{name}.npz") or _files(
            place / "featdyn" / f"{name}.json", place / "featdyn" / f"{name}.safetensors"
        )
    return "; ".join([*found, f"subset {subset}", f"code {_code()}"]) if found else ""


def _files(*paths: Path) -> list[str]:
    """Place, size and time of change of each file; empty if one is missing."""
    try:
        states = [path.stat() for path in paths]
    except OSError:
        return []
    return [f"{path.resolve()} {state.st_size} {state.st_mtime_ns}" for path, state in zip(paths, states, strict=True)]


@functools.cache  # for the imports of this process, as below; a plan asks for thousands of stamps
def _bundle() -> str:
    """Version of the library that bundles the digits."""
    return importlib.metadata.version("scikit-learn")


@functools.cache
def _code() -> str:
    """Digest of the code that reads image sets."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))).hexdigest()[:16]
