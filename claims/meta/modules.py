"""The claim files, by the claim that each decides."""

import importlib
from pathlib import Path
from types import ModuleType

from featdyn_core.register.reading import load_register
from featdyn_core.verdicts.claim import EMPIRICAL

HERE = Path(__file__).parents[1]


def claim_modules() -> dict[str, ModuleType]:
    """Return every claim file's module by its claim."""
    modules = [importlib.import_module(f"claims.{path.stem}") for path in sorted(HERE.glob("test_*.py"))]
    return {module.pytestmark.args[0]: module for module in modules}


def empirical_claims() -> list[str]:
    """Return the claims that chance is in: a theorem holds in every world or not at all, and has no null world."""
    return [name for name, entry in load_register(HERE / "register").entries.items() if entry.kind == EMPIRICAL]
