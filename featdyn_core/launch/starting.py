"""A project of one's own, begun with the paper's: claims, register, recipes and published records."""

import shutil
import tomllib
from pathlib import Path

from featdyn_core.errors import FeatdynError, StoreError
from featdyn_core.files import visible
from featdyn_core.project import REGISTER, checkout

SETTINGS = """\
[pytest]
testpaths = claims
addopts = --strict-markers -ra
xfail_strict = true
"""

ATTRIBUTES = """\
# Sealed by their bytes: line ends are not to be changed.
fixtures/records/** -text
"""


def starter() -> dict[Path, Path]:
    """Files of a new project: where each goes in it, and where it is copied from.

    A wheel brings them; in a checkout they are those that a wheel would bring.

    Raises:
        FeatdynError: the package was installed without them.
    """
    shipped, source = Path(__file__).resolve().parents[1] / "starter", checkout()
    if shipped.is_dir():
        return {path.relative_to(shipped): path for path in visible(shipped, "**/*") if path.is_file()}
    if source is None:
        raise FeatdynError(f"there is no {shipped}: this featdyn was installed without its claims; install it anew")
    settings = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["starter"]
    found = {path for pattern in patterns for path in visible(source, pattern) if path.is_file()}
    return {path.relative_to(source): path for path in sorted(found)}


def start_project(folder: Path) -> int:
    """Copy the files of a project into a folder; return how many.

    Raises:
        FeatdynError: something of that name is there already, and nothing was copied.
        StoreError: the folder cannot be written.
    """
    targets = {folder / name: path for name, path in starter().items()}
    settings, attributes = folder / "pytest.ini", folder / ".gitattributes"
    if present := [path for path in (folder / REGISTER, settings, attributes, *targets) if path.exists()]:
        raise FeatdynError(f"{present[0]} is there already; begin a project in another folder")
    try:
        for target, path in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        settings.write_text(SETTINGS, encoding="utf-8")
        attributes.write_text(ATTRIBUTES, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error})") from error
    return len(targets) + 2
