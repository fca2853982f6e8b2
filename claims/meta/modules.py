"""The modules of the claim files, by claim."""

import importlib
from pathlib import Path
from types import ModuleType

from featdyn_core.register.reading import load_register
from featdyn_core.verdicts.claim import EMPIRICAL

HERE = Path(__file__).parents[1]


def claim_modules() -> dict[str, ModuleType]:
    """Return the module of every claim file, by claim."""
    modules = [importlib.import_module(f"claims.{path.stem}") for path in sorted(HERE.glob("test_*.py"))]
    return {module.pytestmark.args[0]: module for module in modules}


def empirical_claims() -> list[str]:
    """Return the claims that involve chance. A theorem involves none and has no null world."""
    return [name for name, entry in load_register(HERE / "register").entries.items() if entry.kind == EMPIRICAL]
