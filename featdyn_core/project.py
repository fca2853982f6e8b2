"""Locations of a project and of its recipes, register, published records and store.

A project is the nearest folder, from the working directory upwards, that holds ``claims/register``. If there is none,
it is the checkout that this package was imported from.
"""

import os
from pathlib import Path

from featdyn_core.errors import DataError, FeatdynError, StoreError

REGISTER = Path("claims") / "register"


def checkout() -> Path | None:
    """Folder of the checkout that this package was imported from; None if it was installed."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / REGISTER).is_dir() else None


def project_here() -> Path | None:
    """Folder of the project that contains the working directory; None if there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / REGISTER).is_dir()), None)


def project_root() -> Path:
    """Folder of the project (see the module's docstring), or the working directory if there is no project."""
    return project_here() or checkout() or Path.cwd()


def register_folder() -> Path:
    """Folder of the register."""
    return project_root() / REGISTER


def sweeps_folder() -> Path:
    """Folder of the sweeps."""
    return project_root() / "claims" / "sweeps"


def recipes_folder(project: Path | None = None) -> Path:
    """Folder of the recipes, of this project or of another."""
    return (project or project_root()) / "fixtures" / "recipes"


def records_folder() -> Path:
    """Folder of the published records, with one folder for each scale."""
    return project_root() / "fixtures" / "records"


def evidence_file() -> Path:
    """File that a run of the claims writes by default."""
    return project_root() / "evidence.json"


def store_root(project: Path | None = None) -> Path:
    """Folder of trajectories and local records: ``FEATDYN_STORE``, or ``fixtures/cache`` of the project.

    A path with an unknown home folder is a ``StoreError``.

    Args:
        project: another project than this one, such as a new one.
    """
    if configured := os.environ.get("FEATDYN_STORE"):
        return expanded(configured, "FEATDYN_STORE", StoreError)
    return (project or project_root()) / "fixtures" / "cache"


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of image sets: ``root``, ``FEATDYN_DATA``, or ``featdyn/data`` in the user's cache.

    The user's cache is ``XDG_CACHE_HOME`` if that is an absolute path, as its specification requires, otherwise
    ``~/.cache``.

    A path with an unknown home folder is a ``DataError``.
    """
    if root is None:
        root = os.environ.get("FEATDYN_DATA")
    if root:
        return expanded(root, "FEATDYN_DATA", DataError)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else expanded("~/.cache", "FEATDYN_DATA", DataError)) / "featdyn" / "data"


def expanded(path: str | os.PathLike[str], setting: str, kind: type[FeatdynError] = FeatdynError) -> Path:
    """Return a path with the home folder in place of ``~``.

    An unknown home folder is an error of the class ``kind``, by default a ``FeatdynError``.

    Args:
        path: path as the user wrote it.
        setting: setting that the user can change instead.
        kind: class of the error.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise kind(f"{path}: the home folder ~ is unknown; set {setting} to a folder") from error
