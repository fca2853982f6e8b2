"""The claim files of a project, imported as plain modules: a command needs only their ``measure``."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from featdyn_core.errors import RecipeError
from featdyn_core.files import visible
from featdyn_core.harness.run import Measure


def measures(folder: Path, claims: Sequence[str]) -> dict[str, Measure]:
    """Return the measurement of each claim by its id.

    Args:
        folder: folder of the claim files, ``test_*.py``; each file is marked with one claim and has a ``measure``.
        claims: ids of the claims.

    Raises:
        RecipeError: a file cannot be imported, or a claim has no file.
    """
    found = {claim: measure for path in visible(folder, "test_*.py") for claim, measure in _measures(path)}
    if absent := [claim for claim in claims if claim not in found]:
        raise RecipeError(
            f"claim {absent[0]!r} has no file in {folder} that is marked with it and has a measure; write it, such as "
            f"test_{absent[0].replace('-', '_')}.py"
        )
    return {claim: found[claim] for claim in claims}


def _measures(path: Path) -> Iterator[tuple[str, Measure]]:
    """Yield the claim of a file and its measurement, if the file has both."""
    module = _imported(path)
    marks = getattr(module, "pytestmark", [])
    for mark in marks if isinstance(marks, list) else [marks]:
        if mark.name == "claim" and mark.args and hasattr(module, "measure"):
            yield mark.args[0], module.measure


def _imported(path: Path) -> ModuleType:
    """Import a file under a name that no other project uses.

    Raises:
        RecipeError: it cannot be imported.
    """
    spec = importlib.util.spec_from_file_location(f"featdyn claim {path.absolute()}", path)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RecipeError(f"the claim file {path} cannot be imported: {error!r}") from error
    return module
