"""The files of a project, and the project of the paper: its claims, register, recipes and published records."""

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from featdyn_core.errors import FeatdynError, StoreError
from featdyn_core.files import visible
from featdyn_core.project import REGISTER, checkout

SETTINGS = """\
[pytest]
testpaths = claims
addopts = --strict-markers -p featdyn
xfail_strict = true
"""

IGNORED = """\
__pycache__/
.venv*/
.pytest_cache/
.hypothesis/
fixtures/cache/
/evidence*.json
/report.html
"""

ATTRIBUTES = """\
# Records are sealed by their bytes, so line ends must not change.
fixtures/records/** -text
"""

WORKFLOW = Path("docs") / "workflow.yml"

WRITTEN = {
    Path("pytest.ini"): SETTINGS,
    Path(".gitignore"): IGNORED,
    Path(".gitattributes"): ATTRIBUTES,
}
"""Files of every project that are not copied, with their text."""


def starter() -> dict[Path, Path]:
    """Files of a new project: their place in it, and where they are copied from.

    A wheel contains them. In a checkout, they are the files that a wheel would contain, without compiled Python.

    Raises:
        FeatdynError: the package was installed without these files.
    """
    shipped, source = Path(__file__).resolve().parents[1] / "starter", checkout()
    if shipped.is_dir():
        found = {path.relative_to(shipped): path for path in visible(shipped, "**/*")}
    elif source is None:
        raise FeatdynError(f"{shipped} does not exist: this featdyn was installed without its claims; install it again")
    else:
        settings = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
        patterns = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["starter"]
        found = {path.relative_to(source): path for pattern in patterns for path in visible(source, pattern)}
    files = {name: path for name, path in found.items() if path.is_file() and "__pycache__" not in path.parts}
    return {Path(".github/workflows/claims.yml") if name == WORKFLOW else name: path for name, path in files.items()}


def write_paper_project(folder: Path) -> int:
    """Copy the files of a project into a folder; return their number.

    Errors are those of ``write_project``.
    """
    return write_project(folder, starter(), WRITTEN)


def write_project(folder: Path, copied: Mapping[Path, Path], written: Mapping[Path, str]) -> int:
    """Write the files of a project into a folder; return their number.

    Args:
        folder: folder of the project.
        copied: place of each copied file, and its source; a source that already lies in its place is skipped.
        written: place of each other file, and its text.

    Raises:
        FeatdynError: a file of that name exists already; nothing was written.
        StoreError: the folder cannot be written.
    """
    sources = {folder / name: path for name, path in copied.items() if (folder / name).resolve() != path.resolve()}
    targets: dict[Path, Path | str] = {**sources, **{folder / name: text for name, text in written.items()}}
    if present := [path for path in (folder / REGISTER, *targets) if path.exists()]:
        raise FeatdynError(f"{present[0]} is there already; create the project in another folder")
    try:
        for target, content in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                target.write_text(content, encoding="utf-8")
            else:
                shutil.copyfile(content, target)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror or error})") from error
    return len(targets)
