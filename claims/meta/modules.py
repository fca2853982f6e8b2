"""The claim files, by the claim that each decides."""

import importlib
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parents[1]


def claim_modules() -> dict[str, ModuleType]:
    """Return every claim file's module by its claim."""
    modules = [importlib.import_module(f"claims.{path.stem}") for path in sorted(HERE.glob("test_*.py"))]
    return {module.pytestmark.args[0]: module for module in modules}
