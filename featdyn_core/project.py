"""Where a project is, and within it recipes, register, published records and store: one rule, whatever the folder.

A project is the nearest folder, from the working directory upwards, that holds ``claims/register``; where there is
none, the checkout that this package was imported from.
"""

import os
from pathlib import Path

from featdyn_core.errors import DataError, FeatdynError, StoreError

REGISTER = Path("claims") / "register"


def checkout() -> Path | None:
    """Folder of the checkout that this package was imported from; None where it was installed."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / REGISTER).is_dir() else None


def project_here() -> Path | None:
    """Folder of the project that the working directory lies in; None where it lies in none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / REGISTER).is_dir()), None)


def project_root() -> Path:
    """Folder of the project (see the module's docstring); the working directory where there is none at all."""
    return project_here() or checkout() or Path.cwd()


def register_folder() -> Path:
    """Folder of the register."""
    return project_root() / REGISTER


def sweeps_folder() -> Path:
    """Folder of the sweeps."""
    return project_root() / "claims" / "sweeps"


def recipes_folder(project: Path | None = None) -> Path:
    """Folder of the recipes, of the project here or of another."""
    return (project or project_root()) / "fixtures" / "recipes"


def records_folder() -> Path:
    """Folder of the published records, with one folder for each scale."""
    return project_root() / "fixtures" / "records"


def evidence_file() -> Path:
    """File that a run of the claims writes unless it is told otherwise."""
    return project_root() / "evidence.json"


def store_root(project: Path | None = None) -> Path:
    """Folder of trajectories and local records: ``FEATDYN_STORE``, or ``fixtures/cache`` of the project.

    One that starts at a home folder that nobody knows is a ``StoreError``.

    Args:
        project: another one than the project here, such as one that is about to begin.
    """
    if configured := os.environ.get("FEATDYN_STORE"):
        return expanded(configured, "FEATDYN_STORE", StoreError)
    return (project or project_root()) / "fixtures" / "cache"


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of image sets: ``root``, ``FEATDYN_DATA``, or ``featdyn/data`` in the user's cache.

    The user's cache is ``XDG_CACHE_HOME`` where that is an absolute path, as its specification asks, else
    ``~/.cache``.

    One that starts at a home folder that nobody knows is a ``DataError``.
    """
    if root is None:
        root = os.environ.get("FEATDYN_DATA")
    if root:
        return expanded(root, "FEATDYN_DATA", DataError)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else expanded("~/.cache", "FEATDYN_DATA", DataError)) / "featdyn" / "data"


def expanded(path: str | os.PathLike[str], setting: str, kind: type[FeatdynError] = FeatdynError) -> Path:
    """Return a path with the home folder in place of ``~``.

    Where there is no such home folder, the error is of the ``kind`` asked for, by default a ``FeatdynError``.

    Args:
        path: as a person wrote it.
        setting: what the person can set instead.
        kind: of the error.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise kind(f"{path}: no home folder is known that ~ could be; set {setting} to a folder") from error
