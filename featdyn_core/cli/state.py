"""The output of ``featdyn`` without a command: the project, its trainings, its newest evidence, and the next step."""

import json
from pathlib import Path

from featdyn_core.errors import FeatdynError
from featdyn_core.files import read_text
from featdyn_core.harness.plan import cells, trainings
from featdyn_core.launch.inventory import COMPLETE, holdings
from featdyn_core.project import evidence_file, project_here, project_root, register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Register
from featdyn_core.store.supply import Store

_JUDGE = "pytest -m fast -n 2"


def state() -> list[str]:
    """Return lines on the project, the trainings of its first scale, its evidence, and what to do next.

    A register that cannot be read is a ``RecipeError``.
    """
    if not register_folder().is_dir():
        return ["there is no project here", "Create one:  featdyn init --help"]
    root = project_root()
    register = load_register(register_folder())
    where = f"project {root}" if project_here() else f"there is no project here; the checkout of this package is {root}"
    found = [where]
    if not project_here():
        return [*found, f"Work there:  cd {root}", "Create one here:  featdyn init --help"]
    trained, wanted = _trained(register)
    found.append(f"{trained} of {wanted} trajectories of the first scale are trained")
    evidence = evidence_file()
    if not evidence.exists():
        found += [f"there is no {evidence.name} yet", f"Decide the claims:  {_JUDGE}"]
    elif _register_of(evidence) != register.digest:
        found += [f"{evidence} was made with another register", f"Decide the claims again:  {_JUDGE}"]
    else:
        found += [f"{evidence} was made with the present register", f"Make a report of it:  featdyn report {evidence}"]
    if trained < wanted:
        found.append("Train the rest, or list what is there:  featdyn train; featdyn status")
    return [*found, "All commands:  featdyn --help"]


def _trained(register: Register) -> tuple[int, int]:
    """Return how many trajectories of the register's first scale are in the store, and how many it has."""
    wanted = trainings(cells(register, next(iter(register.scales))))
    return sum(item.state == COMPLETE for item in holdings(Store(download=False), wanted)), len(wanted)


def _register_of(path: Path) -> str:
    """Return the register's digest in an evidence file.

    Raises:
        FeatdynError: the file cannot be read.
    """
    try:
        return str(json.loads(read_text(path, "utf-8-sig"))["register"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeatdynError(f"{path} is not an evidence file ({error!r}); remove it, or run {_JUDGE}") from error
